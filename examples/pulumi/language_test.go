//go:build engine

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/constant"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	drover "github.com/droverhq/drover/pulumi"
)

// programs are what pulumi runs, by their names: this package's, and others near
// it.
var programs = map[string]pulumi.RunFunc{
	"protected":          protected,
	"plain":              func(ctx *pulumi.Context) error { return near(ctx, nil, (*cluster).group) },
	"managed":            func(ctx *pulumi.Context) error { return near(ctx, nil, (*cluster).managed) },
	"managed, protected": func(ctx *pulumi.Context) error { return near(ctx, drover.Protect, (*cluster).managed) },
	"delete first": func(ctx *pulumi.Context) error {
		return near(ctx, drover.Protect, (*cluster).group, pulumi.DeleteBeforeReplace(true))
	},
}

// near is the program with another standard group, and with or without Drover.
func near(ctx *pulumi.Context, protect func(*pulumi.Context, drover.Options) error, standard maker, opts ...pulumi.ResourceOption) error {
	c, err := newCluster(ctx)
	if err != nil {
		return err
	}
	if protect != nil {
		if err := protect(ctx, drover.Options{Kubeconfig: c.kubeconfig(), Guards: guards(ctx)}); err != nil {
			return err
		}
	}
	return c.shop(ctx, standard, opts...)
}

// programName is the variable by which this binary is one of them.
const programName = "DROVER_ENGINE_PROGRAM"

// language stands in for pulumi-language-go, which is not published as a module: it
// starts programs as that does, each in a process of its own.
type language struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	program string // the next one

	mu      sync.Mutex
	engine  string // its address
	running *os.Process
}

// serve serves on a port until the test ends.
func serve(t *testing.T, register func(*grpc.Server)) (port int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	register(server)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Stop(); <-done })
	return listener.Addr().(*net.TCPAddr).Port
}

// Handshake is told of the engine.
func (l *language) Handshake(_ context.Context, r *pulumirpc.LanguageHandshakeRequest) (*pulumirpc.LanguageHandshakeResponse, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.engine = r.GetEngineAddress()
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

// GetPluginInfo says which version it is.
func (l *language) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: "3.0.0"}, nil
}

// GetRequiredPackages are none: the provider is attached.
func (l *language) GetRequiredPackages(context.Context, *pulumirpc.GetRequiredPackagesRequest) (*pulumirpc.GetRequiredPackagesResponse, error) {
	return &pulumirpc.GetRequiredPackagesResponse{}, nil
}

// GetRequiredPlugins are none either.
func (l *language) GetRequiredPlugins(context.Context, *pulumirpc.GetRequiredPluginsRequest) (*pulumirpc.GetRequiredPluginsResponse, error) {
	return &pulumirpc.GetRequiredPluginsResponse{}, nil
}

// Run runs the program to its end.
func (l *language) Run(ctx context.Context, r *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), programName+"="+l.program)
	cmd.Env = append(cmd.Env, variables(r)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := l.start(cmd); err != nil {
		return nil, err
	}
	var exit *exec.ExitError
	switch err := cmd.Wait(); {
	case errors.As(err, &exit) && exit.ExitCode() == constant.ExitStatusLoggedError:
		return &pulumirpc.RunResponse{Bail: true}, nil
	case err != nil:
		return &pulumirpc.RunResponse{Error: err.Error()}, nil
	}
	return &pulumirpc.RunResponse{}, nil
}

func (l *language) start(cmd *exec.Cmd) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	cmd.Env = append(cmd.Env, pulumi.EnvEngine+"="+l.engine)
	if err := cmd.Start(); err != nil {
		return err
	}
	l.running = cmd.Process
	return nil
}

// interrupt is what a program gets of Ctrl-C.
func (l *language) interrupt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.running.Signal(os.Interrupt) // it may have ended
}

// variables are how a program in Go is told what it needs.
func variables(r *pulumirpc.RunRequest) []string {
	config, _ := json.Marshal(r.GetConfig())            // texts
	secrets, _ := json.Marshal(r.GetConfigSecretKeys()) // texts
	of := map[string]string{
		pulumi.EnvOrganization: r.GetOrganization(), pulumi.EnvProject: r.GetProject(), pulumi.EnvStack: r.GetStack(),
		pulumi.EnvConfig: string(config), pulumi.EnvConfigSecretKeys: string(secrets),
		pulumi.EnvDryRun: strconv.FormatBool(r.GetDryRun()), pulumi.EnvParallel: strconv.Itoa(int(r.GetParallel())),
		pulumi.EnvMonitor: r.GetMonitorAddress(),
	}
	var all []string
	for name, value := range of {
		all = append(all, fmt.Sprintf("%s=%s", name, value))
	}
	return all
}
