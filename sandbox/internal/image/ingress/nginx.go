package ingress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxOpenFiles is the limit asked for a worker: two for each of its connections, and some.
const maxOpenFiles = 65536

// liveTimeout is how long workers with a new configuration may take to appear.
const liveTimeout = 10 * time.Second

// master is a running nginx and the folder of its files.
type master struct {
	dir    string
	log    io.Writer
	cmd    *exec.Cmd
	exited chan struct{} // closed when nginx has ended, and err is set
	err    error
}

// openFiles is the limit of open files that a worker may set itself.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1024 // every system's soft limit
	}
	return min(limit.Max, maxOpenFiles)
}

// startMaster starts nginx with its first configuration. The end of ctx would kill it.
func startMaster(ctx context.Context, l layout, log io.Writer) (*master, error) {
	m := &master{dir: l.dir, log: log, exited: make(chan struct{})}
	if err := os.MkdirAll(m.dir, 0o755); err != nil {
		return nil, err
	}
	if err := m.install(ctx, l); err != nil {
		return nil, err
	}
	m.cmd = exec.CommandContext(ctx, "nginx", "-e", "stderr", "-c", m.config())
	m.cmd.Stdout, m.cmd.Stderr = log, log
	if err := m.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start nginx: %w", err)
	}
	go func() {
		m.err = m.cmd.Wait()
		close(m.exited)
	}()
	err := m.awaitLive(ctx, l.generation)
	return m, err
}

func (m *master) config() string { return filepath.Join(m.dir, "nginx.conf") }

// install puts the configuration in place if nginx accepts it.
func (m *master) install(ctx context.Context, l layout) error {
	var text strings.Builder
	l.write(&text)
	candidate := m.config() + ".new"
	if err := os.WriteFile(candidate, []byte(text.String()), 0o644); err != nil {
		return err
	}
	test := exec.CommandContext(ctx, "nginx", "-e", "stderr", "-q", "-t", "-c", candidate)
	if out, err := test.CombinedOutput(); err != nil {
		return fmt.Errorf("nginx refuses the configuration: %w: %s", err, out)
	}
	return os.Rename(candidate, m.config())
}

// reload lets new workers take over with another configuration. On an error
// nginx goes on with the one it has.
func (m *master) reload(ctx context.Context, l layout) error {
	if err := m.install(ctx, l); err != nil {
		return err
	}
	if err := m.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		return fmt.Errorf("reload nginx: %w", err)
	}
	return m.awaitLive(ctx, l.generation)
}

// awaitLive asks nginx until it answers with the configuration's number.
func (m *master) awaitLive(ctx context.Context, generation int) error {
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, // every question gets a fresh connection, so a fresh worker
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", filepath.Join(m.dir, "generation.sock"))
		},
	}}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for m.liveGeneration(ctx, client) != generation {
		select {
		case <-m.exited:
			return fmt.Errorf("nginx ended: %w", m.err)
		case <-ctx.Done():
			return fmt.Errorf("wait for nginx to take configuration %d: %w", generation, ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}

// liveGeneration is 0 while nginx does not answer.
func (m *master) liveGeneration(ctx context.Context, client *http.Client) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://nginx/", nil)
	if err != nil {
		return 0
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0
	}
	generation, _ := strconv.Atoi(string(body))
	return generation
}

// quit lets nginx finish the requests it has, and returns when it has ended.
func (m *master) quit() error {
	if err := m.cmd.Process.Signal(syscall.SIGQUIT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("quit nginx: %w", err)
	}
	<-m.exited
	return m.err
}
