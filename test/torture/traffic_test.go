//go:build torture

package torture

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// account is what became of the requests.
type account struct {
	Sent, Failed int
	Causes       map[string]int `json:",omitempty"`
	Gap          time.Duration  // longest time without an answer as expected
}

// traffic is a load under way.
type traffic struct {
	record string
	cmd    *exec.Cmd
	ended  bool
}

// loadArgs are drover's for requests to the scenario's workload, sent from
// within the sandbox's network.
func (k *stack) loadArgs(s scenario, more ...string) []string {
	args := []string{"sandbox", "exec", "--", filepath.Join(bin(), "drover"), "load", "--expect-body", s.Expect}
	if s.Host != "" {
		args = append(args, "--host", s.Host)
	}
	if !s.KeepAlive {
		args = append(args, "--disable-keepalive")
	}
	return append(append(args, more...), k.url(s)+s.Path)
}

// url is the load balancer's, or a node port of a node that stays.
func (k *stack) url(s scenario) string {
	if !s.NodePort {
		out := strings.TrimSpace(k.must("stack", "output", s.Output))
		if !strings.Contains(out, "://") { // the tutorial's output is a host name
			out = "http://" + out
		}
		return out
	}
	ip := k.ask("get", "nodes", "-l", "pool!=work", "-o", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`)
	return "http://" + ip + ":" + k.ask("-n", "apps", "get", "svc", "app", "-o", "jsonpath={.spec.ports[0].nodePort}")
}

// send starts a load as its flags say; stop ends it and accounts for every request.
func (k *stack) send(s scenario, name string, flags ...string) *traffic {
	f := &traffic{record: filepath.Join(k.dir, name+".csv")}
	f.cmd = k.command(background(k.t), "drover", k.loadArgs(s, append(flags, "-z", "30m", "--record", f.record)...)...)
	if err := f.cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	return f
}

// end lets the load send nothing more; what is under way comes to its end.
func (f *traffic) end() {
	if !f.ended {
		f.ended = true
		_ = f.cmd.Process.Signal(syscall.SIGINT)
	}
}

func (f *traffic) stop(k *stack) account {
	f.end()
	_ = f.cmd.Wait()
	a, err := read(f.record)
	if err != nil || a.Sent == 0 {
		k.t.Errorf("the load sent %d requests: %v", a.Sent, err)
	}
	return a
}

// read accounts for a record: lines of start, latency, status, bytes, source, cause.
func read(path string) (account, error) {
	a := account{Causes: map[string]int{}}
	file, err := os.Open(path)
	if err != nil {
		return a, err
	}
	defer func() { _ = file.Close() }()
	var answered []int64
	var first, last int64
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		cells := strings.Split(lines.Text(), ",")
		start, err := strconv.ParseInt(cells[0], 10, 64)
		if err != nil || len(cells) < 6 {
			continue // the head, or a line that was cut
		}
		latency, _ := strconv.ParseInt(cells[1], 10, 64)
		a.Sent++
		if first == 0 || start < first {
			first = start
		}
		last = max(last, start)
		if cells[5] == "" {
			answered = append(answered, start+latency)
			continue
		}
		a.Failed++
		a.Causes[cells[5]]++
	}
	a.Gap = longest(answered, first, last)
	return a, lines.Err()
}

// longest is the longest time between two answers, or to the ends of the load.
func longest(answered []int64, first, last int64) time.Duration {
	slices.Sort(answered)
	var gap int64
	before := first
	for _, at := range append(answered, last) {
		gap = max(gap, at-before)
		before = max(before, at)
	}
	return time.Duration(gap)
}
