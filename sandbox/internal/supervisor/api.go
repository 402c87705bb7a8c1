package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/droverhq/drover/sandbox/internal/folder"
	"github.com/droverhq/drover/sandbox/internal/machine"
)

// Status is what the sandbox is doing; PIDs are the host's.
type Status struct {
	Components []ComponentStatus `json:"components"`
	Clusters   []ClusterStatus   `json:"clusters"`
	Machines   []MachineStatus   `json:"machines"`
}

// ClusterStatus is a cluster that exists, and how its administrator gets in.
type ClusterStatus struct {
	Name       string `json:"name"`
	Server     string `json:"apiServer"`
	Kubeconfig string `json:"kubeconfig"`
}

// ComponentStatus is a component and what it is doing.
type ComponentStatus struct {
	Name string `json:"name"`
	State
}

func (s *supervisor) listen(ctx context.Context) (net.Listener, error) {
	if err := os.Remove(s.Dir.Socket()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var config net.ListenConfig
	return config.Listen(ctx, "unix", s.Dir.Socket())
}

// serve answers on the socket until ctx is done.
func (s *supervisor) serve(ctx context.Context, l net.Listener) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.status()) })
	mux.HandleFunc("GET /machines", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.machineStatuses()) })
	mux.HandleFunc("PUT /machines/{id}", func(w http.ResponseWriter, r *http.Request) {
		var m machine.Machine
		order(w, errors.Join(json.NewDecoder(r.Body).Decode(&m), same(m.ID, r.PathValue("id"))),
			func() error { return s.runMachine(m) })
	})
	mux.HandleFunc("POST /machines/{id}/stop", func(w http.ResponseWriter, r *http.Request) {
		order(w, nil, func() error { return s.stopMachine(r.PathValue("id")) })
	})
	mux.HandleFunc("POST /machines/{id}/reboot", func(w http.ResponseWriter, r *http.Request) {
		order(w, nil, func() error { return s.rebootMachine(r.PathValue("id")) })
	})
	mux.HandleFunc("DELETE /machines/{id}", func(w http.ResponseWriter, r *http.Request) {
		order(w, nil, func() error { return s.terminateMachine(r.PathValue("id")) })
	})
	mux.HandleFunc("PUT /clusters/{plane}", func(w http.ResponseWriter, r *http.Request) {
		var c machine.Cluster
		var at machine.Endpoint
		read := errors.Join(json.NewDecoder(r.Body).Decode(&c), same(strconv.Itoa(c.Plane), r.PathValue("plane")))
		if order(w, read, func() (err error) { at, err = s.orderCluster(r.Context(), c); return err }) {
			reply(w, at)
		}
	})
	mux.HandleFunc("DELETE /clusters/{plane}", func(w http.ResponseWriter, r *http.Request) {
		number, err := strconv.Atoi(r.PathValue("plane"))
		order(w, err, func() error { return s.deleteCluster(number) })
	})
	s.handleFaults(mux)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		slog.Error("serve the supervisor's socket", "error", err)
	}
}

// same wants an order to be about what its path names.
func same(body, path string) error {
	if body != path {
		return fmt.Errorf("the order is about %s, its path about %s", body, path)
	}
	return nil
}

// order carries out an order whose reading gave err, and tells whether it did.
func order(w http.ResponseWriter, err error, do func() error) bool {
	status := http.StatusBadRequest
	if err == nil {
		status, err = http.StatusInternalServerError, do()
	}
	if err != nil {
		slog.Error("order failed", "error", err)
		http.Error(w, err.Error(), status)
	}
	return err == nil
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// parts are the components that are not machines.
func (s *supervisor) parts() []*component {
	s.mu.Lock()
	defer s.mu.Unlock()
	parts := []*component{s.planes[0].controlplane, s.aws}
	for _, p := range s.planes {
		if p.number > 0 && p.controlplane != nil {
			parts = append(parts, p.controlplane)
		}
		if p.ccm != nil {
			parts = append(parts, p.ccm)
		}
	}
	return parts
}

// clusters are those that exist.
func (s *supervisor) clusters() []ClusterStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []ClusterStatus{}
	for _, p := range s.planes {
		var c machine.Cluster
		if p.ccm != nil && folder.ReadJSON(p.dir.Cluster(), &c) == nil {
			list = append(list, ClusterStatus{c.Name, p.server("127.0.0.1"), p.dir.Kubeconfig()})
		}
	}
	return list
}

func (s *supervisor) status() Status {
	var status Status
	for _, c := range s.parts() {
		status.Components = append(status.Components, ComponentStatus{Name: c.name, State: c.now()})
	}
	status.Clusters = s.clusters()
	status.Machines = s.machineStatuses()
	onHost := hostPIDs()
	for i := range status.Components {
		status.Components[i].PID = onHost[status.Components[i].PID]
	}
	for i := range status.Machines {
		status.Machines[i].PID = onHost[status.Machines[i].PID]
	}
	return status
}

// hostPIDs maps the PIDs of this process's children to those that the host
// knows them by: /proc is the host's.
func hostPIDs() map[int]int {
	pids := map[int]int{}
	for _, child := range childrenOf("self") {
		if inner, err := innerPID(child); err == nil {
			pids[inner], _ = strconv.Atoi(child)
		}
	}
	return pids
}

// childrenOf lists the children of a process, both by the PIDs of /proc.
func childrenOf(process string) []string {
	lists, err := filepath.Glob("/proc/" + process + "/task/*/children")
	if err != nil {
		return nil
	}
	var pids []string
	for _, list := range lists {
		children, err := os.ReadFile(list)
		if err != nil {
			continue // the thread ended
		}
		pids = append(pids, strings.Fields(string(children))...)
	}
	return pids
}

// innerPID is the PID of a process below this one in this process's own
// namespace. NSpid lists a process's PIDs from /proc's namespace inwards; a
// machine has one of its own below ours.
func innerPID(child string) (int, error) {
	status, err := os.ReadFile(filepath.Join("/proc", child, "status"))
	if err != nil {
		return 0, err
	}
	ours, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	depth := len(nsPIDs(ours)) - 1
	pids := nsPIDs(status)
	if len(pids) <= depth {
		return 0, fs.ErrNotExist
	}
	return strconv.Atoi(pids[depth])
}

func nsPIDs(status []byte) []string {
	for line := range strings.Lines(string(status)) {
		if list, ok := strings.CutPrefix(line, "NSpid:"); ok {
			return strings.Fields(list)
		}
	}
	return nil
}
