package move

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/kube"
	"github.com/droverhq/drover/internal/kube/cluster"
	"github.com/droverhq/drover/problem"
)

// Moves as anybody sees them, from another terminal or machine: the cluster has
// a record and a lock of each.

// Move is one move that is under way, or of which something is kept.
type Move struct {
	Name   string            `json:"name"`           // as the cluster calls it: its From joined by ",", or the bare group of asg/, group/ and a stack's; web/return is the way back of web
	From   []string          `json:"from,omitempty"` // the sets that leave: nodegroup/web; of a way back, those that get their pods again; none of a stack's
	Phase  event.Phase       `json:"phase"`
	Since  time.Time         `json:"since"` // when the phase began
	State  State             `json:"state"`
	By     string            `json:"by,omitempty"`   // who works on it: alice@laptop
	Wish   string            `json:"wish,omitempty"` // what that one is asked for, and by whom
	Heard  time.Time         `json:"heard"`          // the last sign of life of its run, once a minute at least, also if nothing happens
	Nodes  []string          `json:"nodes"`
	Empty  int               `json:"empty"`            // of the nodes
	Moved  int               `json:"moved"`            // workloads that have moved
	Moving int               `json:"moving"`           // … that move, or are to
	Parked map[string]string `json:"parked,omitempty"` // … that stay, and why
	Waits  []Wait            `json:"waits,omitempty"`  // what it waits for, the longest first
	Events []event.Event     `json:"-"`                // its last ones
	Stack  bool              `json:"stack,omitempty"`  // a plan's: drover up goes on with it

	order []byte
}

// State is whether anybody works on a move.
type State string

// The states of a move.
const (
	Working State = "working"   // somebody works on it
	Pausing State = "paused"    // he was asked to begin nothing new
	Soaking State = "soaking"   // interrupted while its empty nodes were watched: the same command goes on
	Kept    State = "kept"      // it is done, and its nodes stay closed and empty
	Returns State = "returning" // its nodes are open again, and what it moved is not back yet: drover moves return goes on
	Ending  State = "ending"    // its nodes are empty, and their end is not through: the same command goes on
	Dead    State = "dead"      // whoever worked on it is gone
)

// Wait is one thing that a move waits for, and since when.
type Wait struct {
	For   string    `json:"for"`
	Since time.Time `json:"since"`
}

// List tells of all moves of a cluster.
func List(ctx context.Context, a Access) ([]Move, error) {
	c, err := dial(a)
	if err != nil {
		return nil, err
	}
	return list(ctx, c, c.Now)
}

func dial(a Access) (*cluster.Cluster, error) {
	config, err := kube.Kubeconfig(a.Kubeconfig, a.Context)
	if err != nil {
		return nil, err
	}
	return cluster.Dial(config)
}

// ledger is where records and locks lie.
type ledger interface {
	Records(ctx context.Context) (map[string][]byte, error)
	Locks(ctx context.Context) (map[string]handover.Lock, error)
}

func list(ctx context.Context, c ledger, now func() time.Time) ([]Move, error) {
	records, err := c.Records(ctx)
	if err != nil {
		return nil, unread(err)
	}
	locks, err := c.Locks(ctx)
	if err != nil {
		return nil, unread(err)
	}
	moves, orders := []Move{}, map[string][]byte{}
	for _, s := range handover.Statuses(records, locks, now()) {
		moves, orders[s.Move] = append(moves, moveOf(s)), s.Order
	}
	for i := range moves {
		moves[i].From = leaving(orders, moves[i].Name)
	}
	return moves, nil
}

// leaving are the sets that a move empties, or that get their pods again by it.
func leaving(orders map[string][]byte, name string) []string {
	if of := returns(orders[name]); of != "" {
		name = of
	}
	var o order
	_ = json.Unmarshal(orders[name], &o) // a stack's has none
	return o.From
}

func unread(err error) error { return unanswered("read the moves of the cluster", err) }

// unanswered is why the cluster does not tell of its moves, or take a wish.
func unanswered(op string, err error) error {
	if errors.Is(err, handover.ErrBarred) {
		return fmt.Errorf("%s: %w", op, err) // with its own remedy
	}
	return &problem.Error{Kind: problem.Outside, Op: op, Err: err, Fix: "see that the cluster answers, then run the same command again"}
}

func moveOf(s handover.Status) Move {
	m := Move{Name: s.Move, Phase: s.Phase, Since: s.Since, By: s.By, Heard: s.Heard, Nodes: s.Leaving, Parked: s.Parked, Events: s.Log, Stack: len(s.Order) == 0, order: s.Order,
		Empty: s.Nodes[handover.NodeEmpty], Moved: s.Moves[handover.WorkloadMoved], State: stateOf(s)}
	for state, n := range s.Moves {
		if state != handover.WorkloadMoved && state != handover.WorkloadParked {
			m.Moving += n
		}
	}
	if s.Wish.What != "" {
		m.Wish = fmt.Sprintf("%s, by %s", s.Wish.What, s.Wish.By)
	}
	for _, w := range s.Waits {
		m.Waits = append(m.Waits, Wait(w))
	}
	return m
}

func stateOf(s handover.Status) State {
	switch {
	case s.By != "" && s.Wish.What == handover.PauseIt:
		return Pausing
	case s.By != "":
		return Working
	case s.Opened:
		return Returns
	case s.Kept:
		return Kept
	case s.Paused:
		return Soaking
	case s.Ends:
		return Ending
	}
	return Dead
}

// Find is one of the moves by its name; without a name the only one that there is.
func Find(ctx context.Context, a Access, name string) (Move, error) {
	all, err := List(ctx, a)
	if err != nil {
		return Move{}, err
	}
	return pick(all, name)
}

// called is what the move of a set is called in the cluster: that of a whole group as
// a stack's move of the same group.
func called(name string) string {
	for _, kind := range []Kind{ASG, Group} {
		if group, is := strings.CutPrefix(name, string(kind)+"/"); is {
			return group
		}
	}
	return name
}

func pick(all []Move, name string) (Move, error) {
	var names []string
	for _, m := range all {
		if m.Name == name || m.Name == called(name) || name == "" && len(all) == 1 {
			return m, nil
		}
		names = append(names, m.Name)
	}
	p := &problem.Error{Kind: problem.Usage, Op: "find the move", Err: fmt.Errorf("there is none of %s", name), Fix: "drover moves ls"}
	switch {
	case len(all) == 0:
		p.Err = errors.New("the cluster has none")
	case name == "":
		p.Err = errors.New("there are several: " + strings.Join(names, ", "))
		p.Fix = "name one of them"
	}
	return Move{}, p
}

// The wishes that Ask takes.
const (
	PauseIt  = string(handover.PauseIt) // nothing new begins, and what is under way comes to its end
	ResumeIt = ""                       // a pause ends
	AbortIt  = string(handover.AbortIt) // everything is put back; what was moved stays moved
)

// Ask puts a wish to whoever works on a move. Within some seconds he heeds it.
func Ask(ctx context.Context, a Access, m Move, wish string) error {
	if m.By == "" {
		return &problem.Error{Kind: problem.Refused, Op: "ask the move of " + m.Name, Err: errors.New("nobody works on it"),
			Fix: "to go on: drover moves resume " + m.Name + "; to give back what it closed: drover moves recover " + m.Name}
	}
	c, err := dial(a)
	if err != nil {
		return err
	}
	w := handover.Wish{What: handover.Verb(wish), By: handover.Person(), At: c.Now()}
	if err := c.Ask(ctx, m.Name, w); err != nil {
		return unanswered("ask the move of "+m.Name, err)
	}
	return nil
}

// Again are the options of a move whose run is gone, to be given to Run.
func Again(a Access, m Move) (Options, error) {
	switch {
	case m.By != "":
		return Options{}, &problem.Error{Kind: problem.Locked, Op: "go on with the move of " + m.Name, Err: fmt.Errorf("%s works on it", m.By), Fix: "drover moves status " + m.Name}
	case m.Stack:
		return Options{}, &problem.Error{Kind: problem.Refused, Op: "go on with the move of " + m.Name, Err: errors.New("it is a stack's"), Fix: "drover up, in its project"}
	case m.State == Kept:
		return Options{}, &problem.Error{Kind: problem.Refused, Op: "go on with the move of " + m.Name, Err: errors.New("it is done, and its nodes are kept closed"), Fix: "to take it back: drover moves return " + m.Name}
	case m.State == Returns:
		return Options{}, &problem.Error{Kind: problem.Refused, Op: "go on with the move of " + m.Name, Err: errors.New("it is being taken back"), Fix: "drover moves return " + m.Name}
	}
	if of := returns(m.order); of != "" {
		return Options{}, &problem.Error{Kind: problem.Refused, Op: "go on with the move of " + m.Name, Err: errors.New("it is the way back of " + of), Fix: "drover moves return " + of}
	}
	o, err := readOrder(m.order)
	o.Access = a
	return o, err
}

// Restored is one thing that was given back, or would be.
type Restored = handover.Restored

// Recovery says what to give back.
type Recovery struct {
	Access
	Name   string         // one move; empty: all whose run is gone
	Kept   bool           // also what is kept: its nodes take pods again
	DryRun bool           // only tell
	Force  bool           // also what a run is at work on
	Tell   func(Restored) // hears of each thing; nil: nobody does
}

// Recover gives back what moves left whose run is gone: nodes that are closed, pods
// that were released, Auto Scaling groups that are held still. What was moved
// stays moved. The cluster alone is asked what that is.
func Recover(ctx context.Context, r Recovery) error {
	s, err := open(ctx, r.Access)
	if err != nil {
		return err
	}
	defer s.close()
	rescue := handover.Rescue{Cluster: s.cluster, Only: called(r.Name), Kept: r.Kept, DryRun: r.DryRun, Force: r.Force, Tell: r.Tell, AWS: s.sides}
	return rescue.Run(ctx)
}

// sides are what a restoration asks beside the cluster. Where no node is an
// instance of EC2 there is nothing to ask.
func (s *session) sides(context.Context) (handover.Scaling, handover.Balancers, error) {
	if s.why != "" {
		return nil, nil, errors.New(s.why)
	}
	return s.scaling, s.balancers, nil
}
