package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/droverhq/drover/internal/kube/kubetest"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/internal/state/buckettest"
	"github.com/droverhq/drover/plan"
)

// The scripts run the real main as a process.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"drover": main, "kubectl-drover": main})
}

// One file a behaviour; a script that is added is found.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("AWS_EC2_METADATA_DISABLED", "true") // the chain must not ask the network
			return nil
		},
		Cmds:               map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "filled": filled, "bucket": bucket, "cloud": cloud, "outside": outside, "cluster": cluster},
		UpdateScripts:      os.Getenv("UPDATE_SCRIPTS") != "",
		RequireUniqueNames: true,
	})
}

// cluster FILE serves the objects in a file as a cluster, to which KUBECONFIG leads.
func cluster(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: cluster FILE")
	}
	server, err := kubetest.New(ts.ReadFile(args[0]))
	ts.Check(err)
	ts.Defer(server.Close)
	path := ts.MkAbs("kubeconfig")
	ts.Check(os.WriteFile(path, []byte(server.Kubeconfig()), 0o600))
	ts.Setenv("KUBECONFIG", path)
}

// exits CODE PROGRAM ARGS... runs a program that must end with that code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// bucket serves an object store that speaks S3, which the programs of the
// script find, and sets BUCKET to the query of its URL, s3://states/path?$BUCKET.
func bucket(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: bucket")
	}
	server := buckettest.New("s3")
	ts.Defer(server.Close)
	for k, v := range server.Env {
		ts.Setenv(k, v)
	}
	ts.Setenv("BUCKET", server.Query)
}

// filled STACK writes into the state of the project in the working folder that
// a VPC and a subnet of it were made, and leaves the create of a role open.
func filled(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: filled STACK")
	}
	ctx := context.Background()
	store, err := state.Open(ctx, "file://"+ts.MkAbs(".drover"))
	ts.Check(err)
	s, err := store.Lock(ctx, args[0], "up")
	ts.Check(err)
	ts.Check(s.Start(ctx, map[plan.Op]int{plan.Create: 3}))
	object := func(typ, name string, needs ...state.Need) state.Resource {
		return state.Resource{URN: plan.NewURN(args[0], s.Snapshot().Project, typ, name), Gen: 1, Type: typ, Name: name,
			Inputs: plan.Props{"CidrBlock": "10.0.0.0/16"}, Needs: needs}
	}
	begin := func(r state.Resource) state.Intent {
		in, err := s.Begin(ctx, state.Intent{Op: plan.Create, URN: r.URN, Gen: r.Gen, Resource: &r})
		ts.Check(err)
		return in
	}
	vpc := object("AWS::EC2::VPC", "network")
	subnet := object("AWS::EC2::Subnet", "public-a", state.Need{URN: vpc.URN, Gen: 1})
	for _, made := range []struct {
		id string
		r  state.Resource
	}{{"vpc-0a1b", vpc}, {"subnet-2c3d", subnet}} {
		in := begin(made.r)
		made.r.ID = made.id
		ts.Check(s.Done(ctx, in, &made.r))
	}
	begin(object("AWS::IAM::Role", "shop-1a2b3c4"))
	ts.Check(s.Finish(ctx, nil))
	ts.Check(s.Unlock(ctx))
}
