package conf_test

import (
	"strings"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/kit/conf"
)

type printed struct {
	Name    string
	Off     bool
	Key     conf.Secret `yaml:"api_key"`
	Wait    time.Duration
	Size    conf.Bytes
	Zero    *int64
	Absent  *int64
	List    []string
	Servers conf.Map[endpoint]
	Tenants map[string]nestedLimit
	Ignored string `yaml:"-"`
	hidden  string
}

type nestedLimit struct{ Rate int64 }

func TestPrint(t *testing.T) {
	t.Parallel()
	c := printed{
		Name: "yes", Key: "s3cret-value", Wait: 2 * time.Minute, Size: 32 << 10, Zero: new(int64), List: []string{"a", "0x1F"},
		Tenants: map[string]nestedLimit{"b": {2}, "a": {1}, "none": {}}, Ignored: "x", hidden: "y",
	}
	c.Servers.Set("z", endpoint{URL: "http://z"})
	c.Servers.Set("a", endpoint{})
	var b strings.Builder
	if err := conf.Print(&b, c); err != nil {
		t.Fatal(err)
	}
	const want = `name: "yes"
api_key: '[redacted]'
wait: 2m
size: 32KiB
zero: 0
list:
  - a
  - "0x1F"
servers:
  z:
    url: http://z
  a: {}
tenants:
  a:
    rate: 1
  b:
    rate: 2
  none: {}
`
	if b.String() != want {
		t.Errorf("%s\nwant\n%s", b.String(), want)
	}
	var again printed
	if err := conf.Parse("again", []byte(b.String()), &again, env); err != nil || again.Wait != c.Wait || again.Size != c.Size || again.Name != c.Name {
		t.Errorf("%v, %+v", err, again)
	}
}

func TestPrintNothing(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := conf.Print(&b, printed{}); err != nil || b.String() != "{}\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}
