package project

import (
	"fmt"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/aws"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/problem"
)

// Choices are what a person may decide about a plan beforehand. Those with a name in
// JSON decide what the plan of an up is: a saved plan has them, so that name is a format, and
// what is not there must mean what it meant before there was such a choice. The
// others say how a plan is carried out, and are given anew with it.
type Choices struct {
	NoRead      bool     `json:"noRead,omitempty"`      // plan by the state alone, without a look at what exists
	AllowDelete []string `json:"allowDelete,omitempty"` // resources that may be deleted although they are protected or hold data: Type/Name
	Target      []string `json:"target,omitempty"`      // nothing but these, and what they need; empty: everything
	Exclude     []string `json:"exclude,omitempty"`     // everything but these
	Replace     []string `json:"replace,omitempty"`     // what is made anew though nothing has changed
	Refresh     bool     `json:"refresh,omitempty"`     // what others have changed is taken over first, so that the plan sets it back
	Diff        bool     `json:"diff,omitempty"`        // the plan tells every property that changes

	ForgetUnreachable bool   `json:"-"` // Destroy: what is in a cluster that does not answer counts as gone
	Park              bool   `json:"-"` // Up: what cannot be moved off a node group is left there, and everything else moves
	Forward           bool   `json:"-"` // Up: a change that is being taken back is made after all
	Continue          bool   `json:"-"` // Up: emptied node groups are deleted at once, however long the stack file keeps them (soak)
	Parallel          int    `json:"-"` // steps at once; 0: 10
	Message           string `json:"-"` // why, for the history
}

// Verify refuses values that mean nothing.
func (c Choices) Verify() error {
	if c.Parallel < 0 {
		return &problem.Error{Kind: problem.Usage, Op: "--parallel", Err: fmt.Errorf("%d steps at once are not possible", c.Parallel), Fix: "give 1 or more"}
	}
	return nil
}

// scope is what the change is about.
func (c Choices) scope() engine.Scope { return engine.Scope{Only: c.Target, Except: c.Exclude} }

// give hands on what the engine decides by.
func (c Choices) give(e *engine.Engine) {
	e.NoRead, e.AllowDelete, e.ForgetUnreachable = c.NoRead, c.AllowDelete, c.ForgetUnreachable
	e.Park, e.Continue = c.Park, c.Continue
	e.Replace, e.Diff, e.Parallel = c.Replace, c.Diff, c.Parallel
}

// Choose sets what the next commands go by.
func (p *Project) Choose(c Choices) { p.choices = c }

// engine is the engine with what the person chose.
func (p *Project) engine(cloud *aws.Cloud, events event.Sink) *engine.Engine {
	e := newEngine(cloud, events)
	p.choices.give(e)
	return e
}
