package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/droverhq/drover/internal/durable"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/project"
)

// A plan that preview has written is what up --plan may carry out, and nothing
// else: up makes its own plan, and goes on without a question if it is the same.

const (
	planFormat  = "drover plan"
	planVersion = 1
)

// planFile is a plan as a file holds it, with what it was made by.
type planFile struct {
	Format  string          `json:"format"`
	Version int             `json:"version"`
	Choices project.Choices `json:"choices"`
	Plan    plan.Plan       `json:"plan"`
}

// savePlan writes a file that is not there yet: it holds no secret.
func savePlan(name string, c project.Choices, p plan.Plan) error {
	text, err := json.MarshalIndent(planFile{planFormat, planVersion, c, p}, "", "  ")
	if err != nil {
		return err
	}
	if err := durable.Create(durable.OS, name, append(text, '\n'), 0o644); err != nil {
		return &problem.Error{Kind: problem.Usage, Op: "--out " + name, Err: err, Fix: "name a new file in a folder that can be written to"}
	}
	return nil
}

// openPlan reads one. Of the choices it has those that a plan is made by; how it is
// carried out stays as given.
func openPlan(name string, given project.Choices) (planFile, error) {
	saved := planFile{Choices: given}
	text, err := os.ReadFile(name)
	if err == nil {
		in := json.NewDecoder(bytes.NewReader(text))
		in.DisallowUnknownFields() // a choice that this drover does not know would be left out of account
		err = in.Decode(&saved)
	}
	if err == nil && (saved.Format != planFormat || saved.Version != planVersion) {
		err = fmt.Errorf("it has format %q, version %d; this drover knows %q, %d", saved.Format, saved.Version, planFormat, planVersion)
	}
	if err != nil {
		return saved, &problem.Error{Kind: problem.Usage, Op: "--plan " + name, Err: err, Fix: "give a file that drover preview --out wrote"}
	}
	return saved, nil
}

// same reports that a plan does what the saved one does. The state may have
// got other numbers since.
func (f planFile) same(now plan.Plan) bool {
	was := f.Plan
	was.Serial, now.Serial = 0, 0
	a, errA := json.Marshal(was)
	b, errB := json.Marshal(now)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// check refuses a plan that is not the saved one, and shows what it is now.
func (f planFile) check(now plan.Plan, out io.Writer) error {
	if f.same(now) {
		return nil
	}
	if err := plan.Text(out, now); err != nil {
		return err
	}
	return &problem.Error{Kind: problem.Refused, Op: "--plan", Err: errors.New("it is not what would be done now: the files, the state or the world have changed since"),
		Fix: "look at the plan above, and save it anew: drover preview --out FILE"}
}
