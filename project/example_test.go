package project_test

import (
	"context"
	"fmt"
	"os"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/project"
)

// A new project holds the tutorial's stack.
func ExampleNew() {
	dir, err := os.MkdirTemp("", "shop")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx := context.Background()
	fmt.Println(project.New(dir))
	p, err := project.Open(ctx, project.Options{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Init(ctx, "dev"))
	stacks, err := p.Stacks(ctx)
	fmt.Println(len(stacks), stacks[0].Name, stacks[0].Selected, err)
	// Output:
	// <nil>
	// <nil>
	// 1 dev true <nil>
}

// Up shows the plan before anything happens, and goes on where an earlier run stopped.
func ExampleProject_Up() {
	up := func(ctx context.Context, events event.Sink) error {
		p, err := project.Open(ctx, project.Options{Dir: "shop", Stack: "prod"})
		if err != nil {
			return err
		}
		return p.Up(ctx, events, func(pl plan.Plan) error { return plan.Text(os.Stdout, pl) })
	}
	_ = up // it needs an account of AWS, or the sandbox
}
