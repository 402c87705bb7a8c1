package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/durable/durabletest"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
)

// Types of the fake cloud that are hard in some way; any other is like a role.
const (
	network  = "AWS::EC2::VPC"                         // no name of its own: only a token tells two creates apart
	subnet   = "AWS::EC2::Subnet"                      // the same
	cluster  = "AWS::EKS::Cluster"                     // never leaves the zones that it was made with
	role     = "AWS::IAM::Role"                        // a unique name
	template = "AWS::EC2::LaunchTemplate"              // its output "version" changes with each update
	group    = "AWS::AutoScaling::AutoScalingGroup"    // workloads run on it
	link     = "AWS::EC2::VPCGatewayAttachment"        // two with the same slot cannot stand at once
	lead     = "AWS::EC2::SubnetRouteTableAssociation" // an update gives it another ID
	workload = "apps/v1/Deployment"                    // a fixed name, reached through a connection
)

// cloud is AWS, Kubernetes and what moves workloads, in memory: of any number of
// accounts and regions, in which any number of stacks live. It honours tokens,
// refuses names that are taken and deletes of what is referred to, and notes
// every breach of what the engine promises.
type cloud struct {
	attributes []string // outputs that its objects have besides Id and version
	mu         sync.Mutex
	objects    map[string]*object // where calls go now, by ID
	sites      map[site]map[string]*object
	zones      []string                    // that are available today
	acting     string                      // the ID of the stack that the current run is of
	gaps       map[string]bool             // URNs of what the plan deletes first, in the open
	lost       map[string]bool             // URNs of what somebody deleted, or what could not be read, during the current run
	tokens     map[string]*object          // also of deleted objects
	made       int                         // objects so far, for IDs
	desired    map[plan.URN]graph.Resource // what the graph of the current run wants
	destroy    bool
	faults     *faults
	breaches   []string
	inspect    func(engine.Host, int) engine.Inspection
	replaced   [][]graph.Key // by inspection: what it was told of
	sheltered  func(engine.Move, engine.Sheltering)
	ready      int // calls of Ready
	parallel   int
	refuse     func(engine.Request) error // of every call; nil: none
	strays     []engine.Stray
	known      []string // what Strays was told of
}

func (c *cloud) Strays(_ context.Context, _ plan.Props, known []string) ([]engine.Stray, error) {
	c.known = known
	return c.strays, nil
}

func (c *cloud) refused(r engine.Request) error {
	if c.refuse == nil {
		return nil
	}
	return c.refuse(r)
}

type object struct {
	id, typ, name, urn string
	tags               string // JSON
	lost               bool   // deleted by hand
	stack              string // the ID of its owner; empty: who acts
	zones              string // of a cluster
	size               int    // nodes of a group
	file               int    // nodes that the file asked for
	kept               int    // nodes that are left after some were handed over; -1: none were
	inputs             string // JSON
	conn               string
	version            int
	emptied            bool // handed over: nothing runs there any more
	retired            bool
}

// site is a region of an account.
type site struct{ account, region string }

// home is where a stack is made, unless a test says otherwise.
var home = site{"111", "us-west-2"}

func newCloud() *cloud {
	c := &cloud{sites: map[site]map[string]*object{}, tokens: map[string]*object{}, faults: new(faults), parallel: 1,
		zones: []string{"a", "b", "c"}}
	c.goTo(home)
	return c
}

// goTo lets all calls go to a region of an account.
func (c *cloud) goTo(s site) {
	if c.sites[s] == nil {
		c.sites[s] = map[string]*object{}
	}
	c.objects = c.sites[s]
}

// owned are the objects of a stack, wherever they are, by ID.
func (c *cloud) owned(stack string) map[string]*object {
	found := map[string]*object{}
	for _, objects := range c.sites {
		for id, o := range objects {
			if o.stack == "" || o.stack == stack {
				found[id] = o
			}
		}
	}
	return found
}

func (c *cloud) foreign(o *object) bool { return o.stack != "" && o.stack != c.acting }

func (c *cloud) breach(format string, args ...any) {
	c.breaches = append(c.breaches, fmt.Sprintf(format, args...))
}

// engine wires the cloud to an engine.
func (c *cloud) engine(events event.Sink) *engine.Engine {
	return &engine.Engine{
		Providers: func(string) (engine.Provider, error) { return c, nil },
		Lookup:    func(_ context.Context, path string) (any, error) { return "value of " + path, nil },
		Mover:     mover{c},
		Events:    events,
		Parallel:  c.parallel,
	}
}

// faults strike from one point of a run on: the n-th provider call or journal write.
type faults struct {
	at   int // 0: never
	kind string
	more int    // calls of the provider that it strikes after that
	hand func() // of "by hand": what somebody does meanwhile
	seen int
	dead bool // the process is gone: nothing that it does has an effect

	disk func(*durabletest.Disk) // what befalls the disk that the state is on
}

var faultKinds = []string{"crash before", "crash after", "lost before", "lost after", "not made", "not ready", "expired"}

var (
	errDead     = errors.New("the process was killed")
	errLost     = errors.New("connection reset")
	errReady    = errors.New("it did not become ready")
	errLimit    = errors.New("limit exceeded")
	errThrottle = errors.New("throttled: rate exceeded")
	errExpired  = fmt.Errorf("ExpiredToken: %w", engine.ErrCredentials)
)

// crashes reports that the process is killed.
func (f *faults) crashes() bool { return strings.HasPrefix(f.kind, "crash") }

// around runs effect under the faults. The caller holds the cloud's lock.
func (f *faults) around(effect func() error) error {
	if f.dead {
		return errDead
	}
	if f.seen++; f.at == 0 || f.seen < f.at || f.seen > f.at+f.more {
		return effect()
	}
	switch f.kind {
	case "crash before":
		f.dead = true
		return errDead
	case "crash after":
		f.dead = true
		_ = effect()
		return errDead
	case "lost after":
		_ = effect()
		return errLost
	case "not made":
		return errLimit
	case "throttled":
		return errThrottle
	case "expired":
		return errExpired
	case "not ready":
		return errors.Join(effect(), errReady)
	case "by hand":
		f.hand()
		return effect()
	}
	return errLost
}

func (c *cloud) output(o *object) engine.Object {
	outputs := plan.Props{"Id": o.id, "version": float64(o.version)}
	for _, name := range c.attributes {
		outputs[name] = o.id
	}
	if o.typ == group {
		return engine.Object{ID: o.id, Outputs: outputs, Size: &[]int{o.size}[0]}
	}
	return engine.Object{ID: o.id, Outputs: outputs}
}

// resize is what a group does when an update sends it a size.
func (c *cloud) resize(o *object, r engine.Request) {
	size := max(r.Size, wantedSize(r.Want))
	if r.Size == 0 && wantedSize(r.Want) == wantedSize(r.Old) {
		return // it is not sent
	}
	if size < o.size && (o.kept < 0 || size < o.kept) {
		c.breach("group %s has %d nodes and is sent %d, without a hand-over", o.name, o.size, size)
	}
	o.size, o.file, o.kept = size, wantedSize(r.Want), -1
}

func (c *cloud) Create(_ context.Context, r engine.Request) (engine.Created, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.tokens[r.Token] == nil && r.Begun.IsZero() // else "it was not made" would be a lie
	var made engine.Created
	err := c.faults.around(func() (err error) {
		made, err = c.create(r)
		return err
	})
	switch {
	case errors.Is(err, errReady):
		made.Certainty = engine.Unready
	case errors.Is(err, errLimit) || errors.Is(err, errThrottle):
		if made = (engine.Created{}); first {
			made.Certainty = engine.NotMade
		}
	case err != nil && made.Certainty != engine.NotMade, c.faults.dead:
		made = engine.Created{}
	}
	return made, err
}

// create honours tokens as long as they are remembered, and looks for what an
// earlier run may have made by the owner's tags, as a provider must.
func (c *cloud) create(r engine.Request) (engine.Created, error) {
	inputs := text(r.Want)
	o := c.tokens[r.Token]
	if o == nil && !r.Begun.IsZero() {
		o = c.tagged(r)
	}
	if o != nil {
		if o.inputs != inputs && o.version == 1 {
			c.breach("create of %s repeated under its token with other inputs: %s, then %s", r.Name, o.inputs, inputs)
		}
		if c.objects[o.id] != nil {
			return engine.Created{Object: c.output(o), Certainty: engine.Made}, nil
		}
		if !o.lost {
			c.breach("create of %s repeated under the token of a deleted object", r.Name)
		}
	}
	nothing := engine.Created{Certainty: engine.NotMade, Call: engine.Send}
	if err := c.refersToWhatExists(r); err != nil {
		return nothing, err
	}
	for _, o := range c.objects {
		if o.typ == r.Type && o.conn == where(r.Conn) && c.taken(o, r) {
			return nothing, fmt.Errorf("%s %s already exists as %s", r.Type, r.Name, o.id)
		}
	}
	c.made++
	o = &object{id: fmt.Sprintf("id-%03d", c.made), typ: r.Type, name: r.Name, urn: r.Tags["drover:urn"], tags: text(r.Tags),
		inputs: inputs, conn: where(r.Conn), version: 1, size: max(r.Size, wantedSize(r.Want)), file: wantedSize(r.Want), kept: -1,
		stack: r.Tags["drover:stack-id"]}
	o.zones = c.zonesOf(r.Want)
	c.mayBeSmall(o)
	c.objects[o.id], c.tokens[r.Token] = o, o
	return engine.Created{Object: c.output(o), Certainty: engine.Made}, nil
}

// where is how the cloud knows what an object lives in; empty: in AWS.
func where(conn plan.Props) string {
	if len(conn) == 0 {
		return ""
	}
	return text(conn)
}

// wantedSize is how many nodes a group's inputs ask for.
func wantedSize(props plan.Props) int {
	n, _ := props["nodes"].(float64)
	return int(n)
}

// zonesOf are the zones of the subnets that a cluster is to have.
func (c *cloud) zonesOf(props plan.Props) string {
	var zones []string
	for _, id := range ids(text(props["subnets"])) {
		var subnet plan.Props
		if o := c.objects[id]; o != nil {
			_ = json.Unmarshal([]byte(o.inputs), &subnet)
		}
		zones = append(zones, fmt.Sprint(subnet["fixedZone"]))
	}
	slices.Sort(zones)
	return strings.Join(zones, " ")
}

// mayBeSmall holds that what replaces a group is as large as that is now.
func (c *cloud) mayBeSmall(o *object) {
	for _, old := range c.objects {
		if o.typ == group && !c.foreign(old) && old.urn == o.urn && !old.emptied && o.size < old.size && old.file <= o.file {
			c.breach("group %s of %d nodes is to replace %s, which has %d", o.name, o.size, old.name, old.size)
		}
	}
}

// lose deletes an object as somebody else would, and with a cluster all that is in it.
func (c *cloud) lose(o *object) {
	o.lost = true
	if c.lost != nil {
		c.lost[o.urn] = true
	}
	delete(c.objects, o.id)
	for _, in := range c.objects {
		if strings.Contains(in.conn, o.id) || o.typ == "AWS::EKS::Cluster" && strings.Contains(in.conn, o.name) {
			c.lose(in)
		}
	}
}

// tagged is the object that has all of the owner's tags.
func (c *cloud) tagged(r engine.Request) *object {
	for _, o := range c.objects {
		if o.tags == text(r.Tags) && o.typ == r.Type && !r.Knows(o.id) {
			return o
		}
	}
	return nil
}

func (c *cloud) taken(o *object, r engine.Request) bool {
	switch r.Type {
	case link:
		var inputs plan.Props
		_ = json.Unmarshal([]byte(o.inputs), &inputs)
		return inputs["slot"] == r.Want["slot"]
	case lead:
		return o.subnet() == r.Want["subnet"]
	case network, subnet:
		return false
	}
	if name := r.Want[ownName]; name != nil {
		return o.ownName() == name
	}
	return o.name == r.Name && o.ownName() == nil
}

// refersToWhatExists refuses inputs that hold the ID of nothing.
func (c *cloud) refersToWhatExists(r engine.Request) error {
	if strings.Contains(text(r.Want), "${") {
		c.breach("%s %s has unresolved inputs %s", r.Type, r.Name, text(r.Want))
	}
	for _, id := range ids(text(r.Want) + where(r.Conn)) {
		if c.objects[id] == nil {
			return fmt.Errorf("%s %s refers to %s, which does not exist", r.Type, r.Name, id)
		}
	}
	return nil
}

func ids(text string) []string {
	var found []string
	for i := strings.Index(text, "id-"); i >= 0; i = strings.Index(text, "id-") {
		found = append(found, text[i:i+6])
		text = text[i+6:]
	}
	return found
}

func (c *cloud) Read(_ context.Context, r engine.Request) (engine.Object, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.refused(r); err != nil {
		return engine.Object{}, err
	}
	var obj engine.Object
	err := c.faults.around(func() error {
		o := c.find(r)
		if o == nil {
			return engine.ErrNotFound
		}
		obj = c.output(o)
		return nil
	})
	if c.lost != nil && err != nil && !errors.Is(err, engine.ErrNotFound) {
		c.lost[r.Tags["drover:urn"]] = true // nobody can know that it stands
	}
	return obj, err
}

// find is the object of a request: where an update gives it another ID, also by
// what tells it from others.
func (c *cloud) find(r engine.Request) *object {
	o := c.objects[r.ID]
	if o != nil || r.Type != lead || !r.Alone() {
		return o
	}
	for _, o := range c.objects {
		if o.typ == lead && o.subnet() != nil && o.subnet() == r.Old["subnet"] {
			return o
		}
	}
	return nil
}

// subnet is what an object of type lead leads somewhere.
func (o *object) subnet() any {
	var inputs plan.Props
	_ = json.Unmarshal([]byte(o.inputs), &inputs)
	return inputs["subnet"]
}

func (c *cloud) Switches(typ string) bool { return typ == lead }

// Update patches as Cloud Control does: what Old says is in place is not sent.
func (c *cloud) Update(_ context.Context, r engine.Request) (engine.Object, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var obj engine.Object
	err := c.faults.around(func() error {
		o := c.find(r)
		if o == nil {
			return engine.ErrNotFound
		}
		if c.foreign(o) {
			c.breach("changed %s of another stack", o.id)
		}
		var is plan.Props
		if err := json.Unmarshal([]byte(o.inputs), &is); err != nil {
			return err
		}
		if err := c.refersToWhatExists(r); err != nil {
			return err
		}
		for k, v := range r.Want {
			if old, ok := r.Old[k]; ok && state.Equal(old, v) {
				continue
			}
			if forGood(k) && !state.Equal(is[k], v) {
				c.breach("update of %s changes %s", r.Name, k)
			}
			is[k] = v
		}
		for _, had := range append(slices.Clone(r.Maybe), r.Old) {
			for k := range had {
				if _, ok := r.Want[k]; !ok {
					if forGood(k) {
						c.breach("update of %s removes %s", r.Name, k)
					}
					delete(is, k)
				}
			}
		}
		if o.typ == group {
			c.resize(o, r)
		}
		if zones := c.zonesOf(is); zones != o.zones {
			return fmt.Errorf("EKS keeps a cluster to the zones %s, and these are %s", o.zones, zones)
		}
		o.inputs = text(is)
		o.version++
		if o.typ == lead {
			delete(c.objects, o.id)
			c.made++
			o.id = fmt.Sprintf("id-%03d", c.made)
			c.objects[o.id] = o
		}
		obj = c.output(o)
		return nil
	})
	return obj, err
}

func (c *cloud) Delete(_ context.Context, r engine.Request) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.refused(r); err != nil {
		return err
	}
	return c.faults.around(func() error {
		o := c.find(r)
		if o == nil {
			return nil
		}
		if c.foreign(o) {
			c.breach("deleted %s of another stack", o.id)
		}
		if r.Token == "" || len(r.Old) == 0 && len(o.inputs) > len("null") {
			c.breach("deleted %s by neither what it is nor a token", o.id) // an association is found by its subnet
		}
		c.mayDelete(o)
		delete(c.objects, o.id)
		return nil
	})
}

// mayDelete holds the promises of a plan.
func (c *cloud) mayDelete(o *object) {
	stands := false
	for _, other := range c.objects {
		if other != o && other.urn == o.urn && !c.foreign(other) {
			stands = true
		}
		if slices.Contains(ids(other.inputs), o.id) && !o.alone() && !c.gaps[o.urn] {
			c.breach("deleted %s (%s) while %s (%s) refers to it", o.id, o.urn, other.id, other.urn)
		}
		if strings.Contains(other.conn, o.id) {
			c.breach("deleted %s (%s) with %s (%s) in it", o.id, o.urn, other.id, other.urn)
		}
		if c.destroy && o.typ == group && other.typ == workload && !c.foreign(other) {
			c.breach("deleted the group %s before the workload %s", o.name, other.name)
		}
	}
	if _, wanted := c.desired[plan.URN(o.urn)]; wanted && !stands && !o.alone() && !c.gaps[o.urn] && !c.lost[o.urn] {
		c.breach("deleted %s (%s) before its replacement stood", o.id, o.urn)
	}
	if o.typ == group && !c.destroy && (!o.emptied || !o.retired) {
		c.breach("deleted the group %s: emptied %v, retired %v", o.name, o.emptied, o.retired)
	}
}

func forGood(property string) bool {
	return strings.HasPrefix(property, "fixed") || property == ownName
}

// Replaces follows a naming rule: what starts with "fixed" cannot change.
func (c *cloud) Replaces(_ string, old, want plan.Props) []string {
	var props []string
	both := maps.Clone(old)
	maps.Copy(both, want)
	for k := range both {
		if forGood(k) && !state.Equal(old[k], want[k]) {
			props = append(props, k)
		}
	}
	slices.Sort(props)
	return props
}

func (c *cloud) DeleteFirst(typ string, old, want plan.Props) bool {
	return alone(typ) || want[ownName] != nil && old[ownName] == want[ownName]
}

func (c *cloud) Claims(_ string, props plan.Props) []string {
	if name, ok := props[ownName].(string); ok {
		return []string{name}
	}
	return nil
}

// alone is true of types of which two cannot stand at once.
func alone(typ string) bool { return typ == link || typ == lead || !strings.Contains(typ, "::") }

// ownName is a property that holds a name which the user chose.
const ownName = "ownName"

func (o *object) alone() bool { return alone(o.typ) || o.ownName() != nil }

// ownName is the name that the user chose; nil: there is none.
func (o *object) ownName() any {
	var inputs plan.Props
	_ = json.Unmarshal([]byte(o.inputs), &inputs)
	return inputs[ownName]
}

var (
	_ engine.Provider      = (*cloud)(nil)
	_ engine.DeleteFirster = (*cloud)(nil)
	_ engine.Switcher      = (*cloud)(nil)
)

// mover empties groups of the cloud.
type mover struct{ *cloud }

func (m mover) find(h engine.Host) *object {
	for _, o := range m.objects {
		if o.typ == group && o.name == h.Name {
			return o
		}
	}
	return nil
}

func (m mover) Inspect(_ context.Context, h engine.Host, keep int, replaced []graph.Key) (engine.Inspection, error) {
	m.replaced = append(m.replaced, replaced)
	if m.inspect == nil {
		return engine.Inspection{}, nil
	}
	return m.inspect(h, keep), nil
}

func (m mover) Ready(_ context.Context, h engine.Host, wait func(string)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.faults.around(func() error {
		m.ready++
		wait("3 of 3 nodes Ready")
		if o := m.find(h); o == nil || o.retired {
			return fmt.Errorf("group %s is not there to become ready", h.Name)
		}
		return nil
	})
}

// Shelter closes a group that is to be emptied.
func (m mover) Shelter(_ context.Context, move engine.Move, s engine.Sheltering) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.faults.around(func() error {
		if m.sheltered != nil {
			m.sheltered(move, s)
		}
		return move.Save([]byte(`{"phase":"ready"}`))
	})
}

func (m mover) HandOver(_ context.Context, move engine.Move) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.faults.around(func() error {
		o := m.find(move.From)
		if o == nil { // its delete had an effect, and the run was killed before it could write that down
			return nil
		}
		if m.toZero(o) || move.Keep > 0 {
			return nil
		}
		if _, wanted := m.desired[plan.URN(o.urn)]; wanted && !m.lost[o.urn] &&
			!slices.ContainsFunc(move.To, func(h engine.Host) bool { return h.URN == move.From.URN && m.find(h) != nil }) {
			m.breach("hand-over of %s before its replacement stood", o.name)
		}
		o.emptied = true
		return nil
	})
}

// Reopen opens a group that was emptied, and may have been closed.
func (m mover) Reopen(_ context.Context, r engine.Move) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.faults.around(func() error {
		o := m.find(r.From)
		if o == nil || o.retired {
			return fmt.Errorf("group %s is not there to be opened", r.From.Name)
		}
		o.emptied = false
		return r.Save([]byte(`{"phase":"stopped"}`))
	})
}

// toZero is true of a group that stays and shall have no nodes.
func (m mover) toZero(o *object) bool {
	want, wanted := m.desired[plan.URN(o.urn)]
	return wanted && want.Hosts.Nodes == 0
}

func (m mover) Retire(_ context.Context, r engine.Retirement) error {
	h, keep := r.Host, r.Keep
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.faults.around(func() error {
		o := m.find(h)
		if o == nil {
			return nil
		}
		if o.size, o.kept = min(o.size, keep), keep; m.toZero(o) || keep > 0 {
			return nil
		}
		if !o.emptied {
			m.breach("nodes of %s were taken away before they were handed over", h.Name)
		}
		o.retired = true
		return nil
	})
}

// journal lets the faults strike at every write of the state.
type journal struct {
	engine.Journal
	*cloud
}

func (j journal) around(effect func() error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.faults.crashes() { // a write that only fails is the disk's matter
		j.faults.seen++
		return effect()
	}
	return j.faults.around(effect)
}

func (j journal) Start(ctx context.Context, steps map[plan.Op]int) error {
	return j.around(func() error { return j.Journal.Start(ctx, steps) })
}

func (j journal) Finish(ctx context.Context, result error) error {
	return j.around(func() error { return j.Journal.Finish(ctx, result) })
}

func (j journal) Begin(ctx context.Context, in state.Intent) (begun state.Intent, err error) {
	err = j.around(func() error { begun, err = j.Journal.Begin(ctx, in); return err })
	return begun, err
}

func (j journal) Done(ctx context.Context, in state.Intent, r *state.Resource) error {
	return j.around(func() error { return j.Journal.Done(ctx, in, r) })
}

func (j journal) Failed(ctx context.Context, in state.Intent, notMade bool) error {
	return j.around(func() error { return j.Journal.Failed(ctx, in, notMade) })
}

func (j journal) Learn(ctx context.Context, r state.Resource) error {
	return j.around(func() error { return j.Journal.Learn(ctx, r) })
}

func (j journal) SetOutputs(ctx context.Context, values map[string]any) error {
	return j.around(func() error { return j.Journal.SetOutputs(ctx, values) })
}

func (j journal) SetWay(ctx context.Context, w *state.Way) error {
	return j.around(func() error { return j.Journal.SetWay(ctx, w) })
}

func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}
