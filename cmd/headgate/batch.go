package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/peer"
)

const batchUsage = `usage: headgate batch submit FILE [--wait] [--output FILE] [flags]
       headgate batch list [flags]
       headgate batch get ID [flags]
       headgate batch cancel ID [flags]
       headgate batch results ID [--output FILE] [flags]
       headgate batch serve [--config FILE]`

// runBatch serves `headgate batch`: work that can wait, and with `serve` the service that does it.
func runBatch(ctx context.Context, e env, args []string) error {
	verbs := map[string]func(context.Context, env, []string) error{
		"submit": runBatchSubmit, "list": runBatchList, "get": runBatchGet, "cancel": runBatchCancel, "results": runBatchResults,
		"serve": runBatchService,
	}
	if len(args) == 0 || verbs[args[0]] == nil {
		return errors.New(batchUsage)
	}
	return verbs[args[0]](ctx, e, args[1:])
}

// batchCommand is a verb of `headgate batch`.
type batchCommand struct {
	meshCommand

	output string
}

func newBatchCommand(e env, verb string) *batchCommand {
	c := new(batchCommand)
	c.init(e, "batch "+verb, batchUsage, func(p Peers) peer.Config { return p.Batch })
	return c
}

// call reads the arguments, of which want are no flags, and asks the batch service.
func (c *batchCommand) call(args []string, want int, ask func(client batchv1.BatchServiceClient, rest []string) error) error {
	rest, err := c.parse(args, want)
	if err != nil {
		return err
	}
	return c.ask(func(conn grpc.ClientConnInterface) error { return ask(batchv1.NewBatchServiceClient(conn), rest) })
}

// show prints a batch for a person, or as JSON.
func (c *batchCommand) show(b *batchv1.Batch) error {
	if c.json {
		return printJSON(c.env.stdout, b)
	}
	w := tabwriter.NewWriter(c.env.stdout, 0, 0, 2, ' ', 0)
	counts := b.GetCounts()
	fmt.Fprintf(w, "batch\t%s\nstate\t%s\n", b.GetId(), stateWord(b.GetState()))
	fmt.Fprintf(w, "lines\t%d: %d answered, %d failed, %d cancelled, %d expired\n",
		counts.GetTotal(), counts.GetCompleted(), counts.GetFailed(), counts.GetCancelled(), counts.GetExpired())
	fmt.Fprintf(w, "made\t%s\n", b.GetCreatedAt().AsTime().Local().Format(time.DateTime))
	if b.GetEndedAt() != nil {
		fmt.Fprintf(w, "ended\t%s, after %s\n", b.GetEndedAt().AsTime().Local().Format(time.DateTime),
			b.GetEndedAt().AsTime().Sub(b.GetCreatedAt().AsTime()).Round(time.Second))
	} else {
		fmt.Fprintf(w, "expires\t%s\n", b.GetExpiresAt().AsTime().Local().Format(time.DateTime))
	}
	if u := b.GetUsage(); u != nil {
		fmt.Fprintf(w, "tokens\t%d in, %d out\n", u.GetInputTokens(), u.GetOutputTokens())
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, e := range b.GetErrors() {
		fmt.Fprintf(c.env.stdout, "line %d: %s\n", e.GetLine(), strings.TrimSpace(e.GetField()+" "+e.GetMessage()))
	}
	return nil
}

func stateWord(s batchv1.BatchState) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(s.String(), "BATCH_STATE_")), "_", " ")
}

func over(s batchv1.BatchState) bool {
	switch s {
	case batchv1.BatchState_BATCH_STATE_COMPLETED, batchv1.BatchState_BATCH_STATE_FAILED,
		batchv1.BatchState_BATCH_STATE_EXPIRED, batchv1.BatchState_BATCH_STATE_CANCELLED:
		return true
	}
	return false
}

func runBatchSubmit(ctx context.Context, e env, args []string) error {
	c := newBatchCommand(e, "submit")
	embed := c.flags.Bool("embeddings", false, "the lines ask for embeddings, not chats")
	window := c.flags.Duration("window", 24*time.Hour, "how long it may take, at most 24h")
	concurrency := c.flags.Int("concurrency", 0, "how many lines may be under way at once (default: as many as the mesh allows)")
	wait := c.flags.Bool("wait", false, "wait for its end, and then print the results or write them to --output")
	c.flags.StringVar(&c.output, "output", "", "with --wait: a `file` for the results")
	return c.call(args, 1, func(client batchv1.BatchServiceClient, rest []string) (err error) {
		if c.output != "" && !*wait {
			return errors.New("--output goes with --wait; headgate batch results ID --output FILE writes them later")
		}
		to, err := c.openOutput() // before anything is submitted: a day's work must not end at a directory that isn't there
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, to.close()) }()
		f, dialect, err := uploadFile(ctx, client, rest[0])
		if err != nil {
			return err
		}
		request := &batchv1.CreateBatchRequest{
			InputFileId: f.GetId(), Dialect: dialect, CompletionWindow: durationpb.New(*window), Concurrency: int32(*concurrency), //nolint:gosec // checked by the service
		}
		if *embed {
			request.Operation = batchv1.BatchOperation_BATCH_OPERATION_EMBED
		}
		made, err := client.CreateBatch(ctx, request)
		if err != nil {
			return err
		}
		if !*wait {
			return c.show(made.GetBatch())
		}
		fmt.Fprintf(e.stderr, "batch %s\n", made.GetBatch().GetId())
		return c.follow(ctx, client, made.GetBatch(), to)
	})
}

// uploadFile sends a file, in whichever of the two formats it is.
func uploadFile(ctx context.Context, client batchv1.BatchServiceClient, path string) (*batchv1.File, llmv1.Dialect, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	head := make([]byte, 4<<10)
	n, err := io.ReadFull(file, head)
	if errors.Is(err, io.EOF) {
		return nil, 0, fmt.Errorf("%s is empty: it has to hold requests, one a line (OpenAI's format), or one document of them (Anthropic's)", path)
	}
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, 0, fmt.Errorf("reading %s: %w", path, err)
	}
	format, dialect := batchv1.FileFormat_FILE_FORMAT_OPENAI_LINES, llmv1.Dialect_DIALECT_OPENAI
	if oneDocument(head[:n]) {
		format, dialect = batchv1.FileFormat_FILE_FORMAT_ANTHROPIC_REQUESTS, llmv1.Dialect_DIALECT_ANTHROPIC
	}
	f, err := send(ctx, client, &batchv1.FileDescription{Filename: filepath.Base(path), Format: format}, io.MultiReader(bytes.NewReader(head[:n]), file))
	return f, dialect, err
}

// oneDocument reports whether a file is Anthropic's {"requests": [...]}, and not lines of OpenAI's.
func oneDocument(head []byte) bool {
	d := json.NewDecoder(bytes.NewReader(head))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return false
	}
	key, err := d.Token()
	return err == nil && key == "requests"
}

func send(ctx context.Context, client batchv1.BatchServiceClient, d *batchv1.FileDescription, from io.Reader) (*batchv1.File, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := client.CreateFile(ctx)
	if err != nil {
		return nil, err
	}
	err = stream.Send(&batchv1.CreateFileRequest{Part: &batchv1.CreateFileRequest_Description{Description: d}})
	for err == nil {
		data := make([]byte, 256<<10)
		n, readErr := io.ReadFull(from, data)
		if n > 0 {
			err = stream.Send(&batchv1.CreateFileRequest{Part: &batchv1.CreateFileRequest_Data{Data: data[:n]}})
		}
		if errors.Is(readErr, io.EOF) || errors.Is(readErr, io.ErrUnexpectedEOF) {
			break
		}
		if readErr != nil {
			return nil, readErr
		}
	}
	made, err := stream.CloseAndRecv()
	return made.GetFile(), err
}

// look is how often a batch is looked at while somebody waits.
const look = 500 * time.Millisecond

// follow waits for the end of a batch, with a bar for whoever watches, and gives out its results.
func (c *batchCommand) follow(ctx context.Context, client batchv1.BatchServiceClient, b *batchv1.Batch, to *resultFile) error {
	bar := newBar(c.env.stderr)
	for !over(b.GetState()) {
		bar.show(b)
		select {
		case <-ctx.Done():
			bar.done()
			fmt.Fprintf(c.env.stderr, "the batch goes on: headgate batch get %s\n", b.GetId())
			return ctx.Err()
		case <-time.After(look):
		}
		answer, err := client.GetBatch(ctx, &batchv1.GetBatchRequest{Id: b.GetId()})
		if err != nil {
			bar.done()
			return err
		}
		b = answer.GetBatch()
	}
	bar.show(b)
	bar.done()
	if b.GetState() != batchv1.BatchState_BATCH_STATE_FAILED {
		if err := results(ctx, client, b.GetId(), to); err != nil {
			return err
		}
	}
	summary := *c
	if c.output == "" {
		summary.env.stdout = c.env.stderr // the results are on the other one
	}
	if err := summary.show(b); err != nil {
		return err
	}
	if n := b.GetCounts(); b.GetState() != batchv1.BatchState_BATCH_STATE_COMPLETED || n.GetFailed() > 0 {
		return fmt.Errorf("not every line has an answer: the batch is %s", stateWord(b.GetState()))
	}
	return nil
}

// bar shows on a terminal how far a batch is, in one line that is written over, and elsewhere each tenth in a line.
type bar struct {
	w        io.Writer
	terminal bool
	tenth    int64
	began    time.Time
}

func newBar(w io.Writer) *bar {
	return &bar{w: w, tenth: -1, began: time.Now(), terminal: terminal(w)}
}

func (b *bar) show(x *batchv1.Batch) {
	n := x.GetCounts()
	finished := n.GetCompleted() + n.GetFailed() + n.GetCancelled() + n.GetExpired()
	part := int64(0)
	if n.GetTotal() > 0 {
		part = finished * 100 / n.GetTotal()
	}
	line := fmt.Sprintf("%-12s [%-40s] %3d %%  %d of %d lines, %d failed, %s", stateWord(x.GetState()),
		strings.Repeat("=", int(part*40/100)), part, finished, n.GetTotal(), n.GetFailed(), time.Since(b.began).Round(time.Second))
	switch {
	case b.terminal:
		fmt.Fprintf(b.w, "\r\x1b[K%s", line)
	case part/10 != b.tenth:
		b.tenth = part / 10
		fmt.Fprintln(b.w, line)
	}
}

func (b *bar) done() {
	if b.terminal {
		fmt.Fprintln(b.w)
	}
}

func runBatchList(ctx context.Context, e env, args []string) error {
	c := newBatchCommand(e, "list")
	return c.call(args, 0, func(client batchv1.BatchServiceClient, _ []string) error {
		list, err := client.ListBatches(ctx, &batchv1.ListBatchesRequest{Limit: 100})
		if err != nil {
			return err
		}
		if len(list.GetBatches()) == 0 && !c.json {
			fmt.Fprintln(e.stderr, "There are no batches yet: headgate batch submit FILE")
			return nil
		}
		w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
		if !c.json {
			fmt.Fprintln(w, "ID\tSTATE\tLINES\tANSWERED\tFAILED\tMADE")
		}
		for _, b := range list.GetBatches() {
			if c.json {
				if err := printJSON(e.stdout, b); err != nil {
					return err
				}
				continue
			}
			n := b.GetCounts()
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\n", b.GetId(), stateWord(b.GetState()), n.GetTotal(), n.GetCompleted(), n.GetFailed(),
				b.GetCreatedAt().AsTime().Local().Format(time.DateTime))
		}
		return w.Flush()
	})
}

func runBatchGet(ctx context.Context, e env, args []string) error {
	c := newBatchCommand(e, "get")
	return c.call(args, 1, func(client batchv1.BatchServiceClient, rest []string) error {
		answer, err := client.GetBatch(ctx, &batchv1.GetBatchRequest{Id: rest[0]})
		if err != nil {
			return err
		}
		return c.show(answer.GetBatch())
	})
}

func runBatchCancel(ctx context.Context, e env, args []string) error {
	c := newBatchCommand(e, "cancel")
	return c.call(args, 1, func(client batchv1.BatchServiceClient, rest []string) error {
		answer, err := client.CancelBatch(ctx, &batchv1.CancelBatchRequest{Id: rest[0]})
		if err != nil {
			return err
		}
		return c.show(answer.GetBatch())
	})
}

func runBatchResults(ctx context.Context, e env, args []string) error {
	c := newBatchCommand(e, "results")
	c.flags.StringVar(&c.output, "output", "", "a `file` for the results")
	return c.call(args, 1, func(client batchv1.BatchServiceClient, rest []string) (err error) {
		to, err := c.openOutput()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, to.close()) }()
		return results(ctx, client, rest[0], to)
	})
}
