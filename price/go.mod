module github.com/headgate-mesh/headgate/price

go 1.26.8

require (
	github.com/headgate-mesh/headgate/gen v0.0.0
	github.com/headgate-mesh/headgate/kit v0.0.0
	go.uber.org/goleak v1.3.0
)

require (
	github.com/stretchr/testify v1.12.1 // indirect
	go.yaml.in/yaml/v4 v4.0.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace (
	github.com/headgate-mesh/headgate/gen => ../gen
	github.com/headgate-mesh/headgate/kit => ../kit
)
