// Command reads asks a content store for a blob as containerd's own clients do, in one stream and 32 KiB at a time, and
// tells the CPU that each costs whoever serves: ADDRESS PID BLOB [ROUNDS]; or whoever serves bytes without a protocol:
// bare SOCKET PID SIZE [ROUNDS]. Built and given its arguments by ../reads.sh.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	contentapi "github.com/containerd/containerd/api/services/content/v1"
	"github.com/containerd/containerd/content"
	"github.com/containerd/containerd/content/proxy"
	"github.com/containerd/containerd/namespaces"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc"
)

// What io.Copy reads at a time: containerd's habit.
const habit = 32 << 10

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "reads:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) > 0 && args[0] == "bare" {
		return bare(args[1:])
	}
	if len(args) < 3 {
		return fmt.Errorf("usage: reads ADDRESS PID BLOB [ROUNDS]")
	}
	ctx := namespaces.WithNamespace(context.Background(), "default")
	conn, err := grpc.DialContext(ctx, args[0], grpc.WithInsecure(), grpc.WithBlock())
	if err != nil {
		return err
	}
	defer conn.Close()
	client := contentapi.NewContentClient(conn)
	store := proxy.NewContentStore(client)
	blob := digest.Digest(args[2])
	info, err := store.Info(ctx, blob)
	if err != nil {
		return err
	}
	whole := func() (int64, error) { return oneStream(ctx, client, blob) }
	pieces := func() (int64, error) { return byPieces(ctx, store, blob, info.Size) }
	return compare(args[1], info.Size, args[3:], whole, pieces)
}

// compare reads size bytes both ways, so many times, and tells what each cost the process that serves.
func compare(pid string, size int64, times []string, whole, pieces func() (int64, error)) error {
	rounds := 7
	if len(times) > 0 {
		var err error
		if rounds, err = strconv.Atoi(times[0]); err != nil || rounds < 1 {
			return fmt.Errorf("ROUNDS is %q: give a number above 0", times[0])
		}
	}
	// The first of each is not counted: connections, caches and windows grow.
	var stream, habitual measured
	for round := 0; round <= rounds; round++ {
		if err := stream.add(pid, size, round > 0, whole); err != nil {
			return err
		}
		if err := habitual.add(pid, size, round > 0, pieces); err != nil {
			return err
		}
	}
	stream.tell("in one stream")
	habitual.tell("32 KiB at a time")
	fmt.Printf("32 KiB at a time cost whoever serves %.2f times the CPU of one stream, and took %.2f times as long\n",
		median(habitual.cpu)/median(stream.cpu), median(habitual.took)/median(stream.took))
	return nil
}

func oneStream(ctx context.Context, client contentapi.ContentClient, blob digest.Digest) (int64, error) {
	stream, err := client.Read(ctx, &contentapi.ReadContentRequest{Digest: blob})
	if err != nil {
		return 0, err
	}
	var all int64
	for {
		piece, err := stream.Recv()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all += int64(len(piece.Data))
	}
}

func byPieces(ctx context.Context, store content.Store, blob digest.Digest, size int64) (int64, error) {
	reader, err := store.ReaderAt(ctx, ocispec.Descriptor{Digest: blob, Size: size})
	if err != nil {
		return 0, err
	}
	defer reader.Close()
	// Neither end may take a way of its own, with other sizes.
	from := struct{ io.Reader }{content.NewReader(reader)}
	to := struct{ io.Writer }{io.Discard}
	return io.CopyBuffer(to, from, make([]byte, habit))
}

// Seconds, of each round.
type measured struct{ took, cpu []float64 }

func (m *measured) add(pid string, size int64, counts bool, read func() (int64, error)) error {
	before, err := cpu(pid)
	if err != nil {
		return err
	}
	begun := time.Now()
	all, err := read()
	if err != nil {
		return err
	}
	took := time.Since(begun).Seconds()
	if all != size {
		return fmt.Errorf("%d of %d bytes came", all, size)
	}
	after, err := cpu(pid)
	if err != nil {
		return err
	}
	if counts {
		m.took, m.cpu = append(m.took, took), append(m.cpu, after-before)
	}
	return nil
}

func (m *measured) tell(how string) {
	sort.Float64s(m.took)
	sort.Float64s(m.cpu)
	fmt.Printf("%-18s %.3f s (%.3f-%.3f), %.3f s of CPU serving (%.3f-%.3f)\n", how,
		median(m.took), m.took[0], m.took[len(m.took)-1], median(m.cpu), m.cpu[0], m.cpu[len(m.cpu)-1])
}

// Of what is sorted.
func median(of []float64) float64 { return of[len(of)/2] }

// cpu is the seconds that the threads of a process, those that live now, have been on a CPU (proc(5), schedstat).
func cpu(pid string) (float64, error) {
	tasks, err := filepath.Glob("/proc/" + pid + "/task/*/schedstat")
	if err != nil || len(tasks) == 0 {
		return 0, fmt.Errorf("process %s is not there", pid)
	}
	var sum float64
	for _, task := range tasks {
		told, err := os.ReadFile(task)
		if err != nil {
			continue
		}
		nanoseconds, err := strconv.ParseFloat(strings.Fields(string(told))[0], 64)
		if err != nil {
			return 0, err
		}
		sum += nanoseconds / 1e9
	}
	return sum, nil
}
