package cri

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/droverhq/drover/sandbox/internal/images"
	"github.com/droverhq/drover/sandbox/internal/rootfs"
)

// defaultPath is the PATH of a container whose image sets none.
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// portsAnnotation is where a kubelet leaves the declared ports of a container.
const portsAnnotation = "io.kubernetes.container.ports"

// Exit reasons, in the words of containerd.
const (
	reasonCompleted  = "Completed"
	reasonError      = "Error"
	reasonStartError = "StartError"
)

// startErrorCode is the exit code of a container that could not start.
const startErrorCode = 128

// container is one process tree and what is known of it.
type container struct {
	id      string
	sandbox *sandbox
	config  *runtimeapi.ContainerConfig
	image   images.Image
	who     rootfs.Identity
	env     []string
	logPath string
	created time.Time
	exited  chan struct{} // closed once the process tree is gone and its output is written
	log     *logFile      // set before the process starts

	mu       sync.Mutex
	process  *os.Process // nil until started
	state    runtimeapi.ContainerState
	started  time.Time
	finished time.Time
	code     int32
	failure  string // why it could not start
}

// CreateContainer implements RuntimeService.
func (r *Runtime) CreateContainer(
	_ context.Context, sandboxID string, config *runtimeapi.ContainerConfig, pod *runtimeapi.PodSandboxConfig,
) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sandboxes[sandboxID]
	if s == nil || !s.ready {
		return "", errNoSandbox(sandboxID)
	}
	c := &container{
		id: newID(), sandbox: s, config: config, created: time.Now(), exited: make(chan struct{}),
		image: images.Lookup(reference(config.GetImage())),
		state: runtimeapi.ContainerState_CONTAINER_CREATED,
	}
	if !r.ids.Many() {
		c.image = c.image.Alone()
	}
	var err error
	if c.who, err = identityOf(config, c.image, r.ids); err != nil {
		return "", err
	}
	if c.image.CallsAWS {
		c.image.Env = append(slices.Clone(c.image.Env), r.AWS...)
	}
	c.env = environment(c.image, pod.GetHostname(), config.GetEnvs())
	if config.LogPath != "" {
		c.logPath = filepath.Join(pod.GetLogDirectory(), config.LogPath)
	}
	r.containers[c.id] = c
	return c.id, nil
}

// environment is the image's, then the container's own; the last one of a name wins.
func environment(image images.Image, hostname string, own []*runtimeapi.KeyValue) []string {
	env := append([]string{defaultPath, "HOSTNAME=" + hostname}, image.Env...)
	for _, kv := range own {
		env = append(env, kv.Key+"="+string(kv.Value))
	}
	position := map[string]int{}
	var unique []string
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		if i, seen := position[name]; seen {
			unique[i] = kv
			continue
		}
		position[name] = len(unique)
		unique = append(unique, kv)
	}
	return unique
}

// StartContainer implements RuntimeService. It returns when the command runs,
// or with the reason why it cannot: then the container is at its end, and the
// kubelet waits before it starts another one.
func (r *Runtime) StartContainer(_ context.Context, id string) error {
	c, err := r.container(id)
	if err != nil {
		return err
	}
	if c.status().State != runtimeapi.ContainerState_CONTAINER_CREATED {
		return fmt.Errorf("container %q was started before", id)
	}
	if err := r.start(c); err != nil {
		c.fail(err)
		return err
	}
	return nil
}

func (c *container) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state, c.finished = runtimeapi.ContainerState_CONTAINER_EXITED, time.Now()
	c.code, c.failure = startErrorCode, err.Error()
	close(c.exited)
}

func (r *Runtime) start(c *container) (err error) {
	if err := among(r.ids, c.who); err != nil {
		return err
	}
	if c.log, err = openLog(c.logPath); err != nil {
		return err
	}
	if err := c.run(r.PodProgram, r.spec(c)); err != nil {
		return errors.Join(err, c.log.Close())
	}
	return nil
}

func (r *Runtime) spec(c *container) rootfs.Spec {
	spec := rootfs.Spec{
		Root:       r.Scratch,
		Account:    c.image.Account,
		Files:      c.image.Files,
		Binaries:   []rootfs.Mount{{Source: r.PodProgram, Target: images.PodBinary, ReadOnly: true}},
		Hostname:   c.sandbox.config.GetHostname(),
		ResolvConf: c.sandbox.resolvConf(),
		Args:       c.image.Argv(c.config.GetCommand(), c.config.GetArgs(), declaredPorts(c.config)),
		Env:        c.env,
		Dir:        c.config.GetWorkingDir(),
		Identity:   c.who,
	}
	if spec.Args[0] == images.SandboxBinary {
		spec.Binaries = append(spec.Binaries, rootfs.Mount{Source: r.Program, Target: images.SandboxBinary, ReadOnly: true})
	}
	for _, m := range c.config.GetMounts() {
		volume := rootfs.Mount{Source: m.HostPath, Target: m.ContainerPath, ReadOnly: m.Readonly}
		spec.Mounts = append(spec.Mounts, volume)
	}
	return spec
}

// declaredPorts reads them as "8080/TCP". A kubelet writes this annotation
// itself; one that cannot be read declares nothing.
func declaredPorts(config *runtimeapi.ContainerConfig) []string {
	var declared []struct {
		ContainerPort int    `json:"containerPort"`
		Protocol      string `json:"protocol"`
	}
	_ = json.Unmarshal([]byte(config.GetAnnotations()[portsAnnotation]), &declared)
	var ports []string
	for _, p := range declared {
		ports = append(ports, fmt.Sprintf("%d/%s", p.ContainerPort, p.Protocol))
	}
	return ports
}

// run starts the process tree: drover-sandbox-pod as PID 1 of new namespaces,
// which then turns into the command (rootfs.Init).
func (c *container) run(program string, spec rootfs.Spec) error {
	data, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	var pipes [4][2]*os.File // stdout, stderr, spec, failure: read end, write end
	for i := range pipes {
		if pipes[i][0], pipes[i][1], err = os.Pipe(); err != nil {
			return err
		}
	}
	stdout, stderr, specPipe, failure := pipes[0], pipes[1], pipes[2], pipes[3]
	cmd := &exec.Cmd{
		Path: program, Args: []string{filepath.Base(program), "init"}, Env: c.env,
		Stdout: stdout[1], Stderr: stderr[1], ExtraFiles: []*os.File{specPipe[0], failure[1]}, // rootfs.SpecFile, rootfs.FailureFile
		SysProcAttr: &syscall.SysProcAttr{
			Setsid:     true,
			Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		},
	}
	err = c.sandbox.inside(cmd.Start)
	closeAll(stdout[1], stderr[1], specPipe[0], failure[1])
	if err != nil {
		closeAll(stdout[0], stderr[0], specPipe[1], failure[0])
		return fmt.Errorf("start a process: %w", err)
	}
	_, _ = specPipe[1].Write(data) // a process that died before it read the spec is noticed below
	why, readErr := io.ReadAll(failure[0])
	closeAll(specPipe[1], failure[0])
	if readErr != nil || len(why) > 0 {
		closeAll(stdout[0], stderr[0])
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return fmt.Errorf("start container: %w", errors.Join(readErr, errors.New(string(why))))
	}
	c.mu.Lock()
	c.process, c.started, c.state = cmd.Process, time.Now(), runtimeapi.ContainerState_CONTAINER_RUNNING
	c.mu.Unlock()
	var output sync.WaitGroup
	output.Go(func() { c.log.copy("stdout", stdout[0]) })
	output.Go(func() { c.log.copy("stderr", stderr[0]) })
	go c.reap(cmd, &output)
	return nil
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// reap waits for the first process, with which the kernel ends all others of
// the container, and for what they wrote.
func (c *container) reap(cmd *exec.Cmd, output *sync.WaitGroup) {
	_ = cmd.Wait() // the state says more than the error
	output.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.code = exitCode(cmd.ProcessState)
	c.finished = time.Now()
	c.state = runtimeapi.ContainerState_CONTAINER_EXITED
	_ = c.log.Close()
	close(c.exited)
}

// exitCode is the shell's: 128 and the signal for a process that one has killed.
func exitCode(state *os.ProcessState) int32 {
	ws, ok := state.Sys().(syscall.WaitStatus)
	if ok && ws.Signaled() {
		return 128 + int32(ws.Signal())
	}
	return int32(state.ExitCode())
}

// StopContainer implements RuntimeService.
func (r *Runtime) StopContainer(ctx context.Context, id string, timeout int64) error {
	c, err := r.container(id)
	if errors.Is(err, errNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.stop(ctx, time.Duration(timeout)*time.Second)
}

// stop asks the first process to end and, after the grace period, kills it.
func (c *container) stop(ctx context.Context, grace time.Duration) error {
	c.mu.Lock()
	process, state := c.process, c.state
	c.mu.Unlock()
	if state != runtimeapi.ContainerState_CONTAINER_RUNNING {
		return nil
	}
	if grace > 0 {
		if err := signalTo(process, c.stopSignal()); err != nil {
			return err
		}
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-c.exited:
			return nil
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := signalTo(process, syscall.SIGKILL); err != nil {
		return err
	}
	select {
	case <-c.exited:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// signalTo does not mind that the process is gone.
func signalTo(p *os.Process, signal syscall.Signal) error {
	if err := p.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %v: %w", signal, err)
	}
	return nil
}

// stopSignal is the container's own (lifecycle.stopSignal), else its image's.
func (c *container) stopSignal() syscall.Signal {
	if s := unix.SignalNum(c.config.GetStopSignal().String()); s != 0 {
		return s
	}
	return c.image.StopSignal
}

// RemoveContainer implements RuntimeService.
func (r *Runtime) RemoveContainer(ctx context.Context, id string) error {
	if err := r.StopContainer(ctx, id, 0); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.containers, id)
	return nil
}

func (r *Runtime) container(id string) (*container, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.containers[id]; c != nil {
		return c, nil
	}
	return nil, errNoContainer(id)
}

func (r *Runtime) containersOf(sandboxID string) []*container {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*container
	for _, c := range r.containers {
		if c.sandbox.id == sandboxID {
			list = append(list, c)
		}
	}
	return list
}

// ListContainers implements RuntimeService.
func (r *Runtime) ListContainers(
	_ context.Context, f *runtimeapi.ContainerFilter,
) ([]*runtimeapi.Container, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*runtimeapi.Container
	for _, c := range r.containers {
		st := c.status()
		if f.GetId() != "" && f.GetId() != c.id ||
			f.GetPodSandboxId() != "" && f.GetPodSandboxId() != c.sandbox.id ||
			f.GetState() != nil && f.GetState().State != st.State ||
			!matches(c.config.Labels, f.GetLabelSelector()) {
			continue
		}
		list = append(list, &runtimeapi.Container{
			Id: c.id, PodSandboxId: c.sandbox.id, Metadata: st.Metadata, Image: st.Image, ImageRef: st.ImageRef,
			ImageId: st.ImageId, State: st.State, CreatedAt: st.CreatedAt, Labels: st.Labels, Annotations: st.Annotations,
		})
	}
	return list, nil
}

// ContainerStatus implements RuntimeService.
func (r *Runtime) ContainerStatus(
	_ context.Context, id string, _ bool,
) (*runtimeapi.ContainerStatusResponse, error) {
	c, err := r.container(id)
	if err != nil {
		return nil, err
	}
	return &runtimeapi.ContainerStatusResponse{Status: c.status()}, nil
}

func (c *container) status() *runtimeapi.ContainerStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	ref := reference(c.config.GetImage())
	st := &runtimeapi.ContainerStatus{
		Id: c.id, Metadata: c.config.Metadata, State: c.state, CreatedAt: c.created.UnixNano(),
		Image: &runtimeapi.ImageSpec{Image: ref}, ImageRef: imageID(ref), ImageId: imageID(ref),
		Labels: c.config.Labels, Annotations: c.config.Annotations, Mounts: c.config.Mounts, LogPath: c.logPath,
		User: userOf(c.who),
	}
	if !c.started.IsZero() {
		st.StartedAt = c.started.UnixNano()
	}
	if c.state == runtimeapi.ContainerState_CONTAINER_EXITED {
		st.FinishedAt, st.ExitCode, st.Reason = c.finished.UnixNano(), c.code, reasonCompleted
		switch {
		case c.failure != "":
			st.Reason, st.Message = reasonStartError, c.failure
		case c.code != 0:
			st.Reason = reasonError
		}
	}
	return st
}

// UpdateContainerResources implements RuntimeService. There are no cgroups, so no limits.
func (r *Runtime) UpdateContainerResources(context.Context, string, *runtimeapi.ContainerResources) error {
	return nil
}

// ReopenContainerLog implements RuntimeService: the kubelet has moved the file away.
func (r *Runtime) ReopenContainerLog(_ context.Context, id string) error {
	c, err := r.container(id)
	if err != nil {
		return err
	}
	if c.status().State != runtimeapi.ContainerState_CONTAINER_RUNNING {
		return fmt.Errorf("container %q is not running", id)
	}
	return c.log.reopen()
}

// errUnsupported is the answer to what this runtime does not do.
func errUnsupported(what string) error { return fmt.Errorf("the sandbox's runtime has no %s", what) }

// CheckpointContainer implements RuntimeService.
func (r *Runtime) CheckpointContainer(context.Context, *runtimeapi.CheckpointContainerRequest) error {
	return errUnsupported("checkpoints")
}

// GetContainerEvents implements RuntimeService. The kubelet asks for events
// only with EventedPLEG; without, it lists once a second.
func (r *Runtime) GetContainerEvents(
	context.Context, chan *runtimeapi.ContainerEventResponse, func(runtimeapi.RuntimeService_GetContainerEventsClient),
) error {
	return errUnsupported("container events")
}
