//go:build torture

package torture

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	socketsTarget = "TORTURE_SOCKETS_TARGET" // URL; set: this process is the client
	socketsRecord = "TORTURE_SOCKETS_RECORD"
	socketsNumber = "TORTURE_SOCKETS_NUMBER"
)

// sockets starts clients that keep upgraded connections, within the sandbox's network.
func (k *stack) sockets(s scenario, name string, number int) *traffic {
	f := &traffic{record: filepath.Join(k.dir, name+".csv")}
	f.cmd = k.command(background(k.t), "drover", "sandbox", "exec", "--", os.Args[0], "-test.run", "^TestSocketClients$", "-test.timeout", "30m")
	f.cmd.Env = append(f.cmd.Env, socketsTarget+"="+strings.TrimPrefix(k.url(s), "http://"), socketsRecord+"="+f.record, socketsNumber+"="+strconv.Itoa(number))
	if err := f.cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	return f
}

// TestSocketClients is no test: it is the clients' process.
func TestSocketClients(t *testing.T) {
	target := os.Getenv(socketsTarget)
	if target == "" {
		t.Skip("run by TestTorture")
	}
	file, err := os.Create(os.Getenv(socketsRecord))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGINT)
	defer stop()
	c := clients{target: target, record: file}
	var all sync.WaitGroup
	number, err := strconv.Atoi(os.Getenv(socketsNumber))
	if err != nil {
		t.Fatal(err)
	}
	for range number {
		all.Go(func() { c.keep(ctx) })
	}
	all.Wait()
}

// clients write a line for each message, as drover load does for each request.
type clients struct {
	target string
	mu     sync.Mutex
	record io.Writer
}

func (c *clients) note(start time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cause := ""
	if err != nil {
		cause = strings.Map(func(r rune) rune {
			if r == ',' || r == '\n' {
				return ' '
			}
			return r
		}, err.Error())
	}
	_, _ = fmt.Fprintf(c.record, "%d,%d,0,0,sockets,%s\n", start.UnixNano(), time.Since(start), cause)
}

// keep connects again whenever the server has said goodbye. A connection that
// ends without that is a failure, as is one that cannot be made.
func (c *clients) keep(ctx context.Context) {
	for ctx.Err() == nil {
		start := time.Now()
		if err := c.session(ctx); err != nil && ctx.Err() == nil {
			c.note(start, err)
			time.Sleep(200 * time.Millisecond)
		}
	}
}

// session echoes a message twice a second until the server says goodbye.
func (c *clients) session(ctx context.Context) error {
	var d net.Dialer
	d.Timeout = 5 * time.Second
	address := strings.TrimSuffix(c.target, "/")
	if !strings.Contains(address, ":") {
		address += ":80"
	}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("connect: %w", errors.Unwrap(err))
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"); err != nil {
		return errors.New("upgrade: cut")
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		return errors.New("upgrade: no answer")
	}
	for ctx.Err() == nil {
		start := time.Now()
		goodbye, err := echo(conn, in)
		if err != nil || goodbye {
			return err
		}
		c.note(start, nil)
		time.Sleep(500 * time.Millisecond)
	}
	return nil
}

// echo sends one masked frame and reads one. goodbye: it is a close frame.
func echo(conn net.Conn, in *bufio.Reader) (goodbye bool, err error) {
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	_, written := conn.Write([]byte{0x81, 0x82, 0, 0, 0, 0, 'h', 'i'})
	head := make([]byte, 2)
	if _, err := io.ReadFull(in, head); err != nil {
		return false, errors.New("cut without a goodbye")
	}
	if head[0]&0x0f == 8 {
		return true, nil
	}
	if written != nil {
		return false, errors.New("cut without a goodbye")
	}
	_, err = io.CopyN(io.Discard, in, int64(head[1]&0x7f))
	return false, err
}
