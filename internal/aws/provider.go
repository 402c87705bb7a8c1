package aws

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/droverhq/drover/internal/aws/internal/schema"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/sleep"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// Provider manages objects of every AWS type through the Cloud Control API.
//
// A create may be lost on its way back. Three things find its object again:
// the client token, which makes AWS answer as it did before; the physical name,
// for types that have one; and the owner's tags, without which no object of
// that name is taken over.
type Provider struct {
	control control
	catalog *catalog
	region  string

	where        graph.Where // of its objects
	elsewhere    *elsewhere
	controllers  controllers
	associations associations
	eks          *eks.Client
	scaling      *Scaling
	stable       func(ctx context.Context, typ, id string, wait func(string)) error
}

var (
	_ engine.Provider      = (*Provider)(nil)
	_ engine.DeleteFirster = (*Provider)(nil)
	_ engine.Switcher      = (*Provider)(nil)
	_ engine.Steadier      = (*Provider)(nil)
	_ engine.Secretive     = (*Provider)(nil)
	_ engine.Outputter     = (*Provider)(nil)
)

// Provider is the engine's provider for all types that hold "::".
func (c *Cloud) Provider() *Provider {
	return &Provider{control: control{c.control}, catalog: newCatalog(c.registry), region: c.cfg.Region, elsewhere: &elsewhere{home: c},
		controllers: controllers{c.cfg.Region, c.ec2, c.eks, c.Balancers().families}, associations: associations{c.ec2}, eks: c.eks, scaling: c.Scaling(), stable: c.stable}
}

// manyTries bounds the tries of one create. Most of them are replays of the
// failures of earlier runs with the same token, each a single quick call.
const manyTries = 500

// tokenTrust is how long a token is trusted to replay its request. Cloud Control
// remembers requests for 36 hours; the rest is for clocks that differ.
const tokenTrust = 30 * time.Hour

// creation is one create under way.
type creation struct {
	*Provider
	engine.Request
	facts   schema.Facts
	want    map[string]any // with the owner's tags
	desired []byte
	open    bool // an attempt whose end is unknown may have made the object
}

// Create makes the object; see Provider for what happens to a lost answer.
//
// No new token is taken while an attempt's end is open: first it is looked for
// what that may have made, by identifier, or by the owner's tags.
func (p *Provider) Create(ctx context.Context, r engine.Request) (engine.Created, error) {
	p, err := p.at(ctx, r.Where)
	if err != nil {
		return engine.Created{Call: engine.Prepare}, err
	}
	c, err := p.creation(ctx, r)
	if err != nil {
		return c.nothing(engine.Prepare), err
	}
	if c.open && time.Since(r.Begun) > tokenTrust {
		if made, done, err := c.look(ctx); done {
			return made, err
		}
	}
	t := newTries(r.Wait)
	for n := 0; n < manyTries; n++ {
		id, err := c.send(ctx, n)
		if err == nil {
			return c.created(ctx, id)
		}
		fail := failureOf(err)
		if fail == nil || fail.call == engine.Poll && !fail.ended() {
			return engine.Created{Call: callOf(err)}, explain("create "+subject(r), err)
		}
		if made, done, err := c.salvage(ctx, fail); done {
			return made, err
		}
		if !fail.replay { // what replays is over, and was looked for at the first of them
			c.open = c.open || !fail.certain()
		}
		if c.open && (!fail.replay || n == 0) {
			if made, done, err := c.look(ctx); done {
				return made, err
			}
		}
		if fail.replay {
			continue
		}
		if err := t.again(ctx, fail, fail.patienceToMake()); err != nil {
			return c.nothing(engine.Send), explain("create "+subject(r), err)
		}
	}
	return engine.Created{Call: engine.Send}, &problem.Error{Kind: problem.Outside, Op: "create " + subject(r),
		Err: fmt.Errorf("it failed %d times", manyTries),
		Fix: "wait 36 hours, after which AWS forgets these requests, or rename the resource in the file"}
}

func (p *Provider) creation(ctx context.Context, r engine.Request) (*creation, error) {
	c := &creation{Provider: p, Request: r, open: !r.Begun.IsZero()}
	var err error
	if c.facts, err = p.catalog.facts(ctx, r.Type); err != nil {
		return c, err
	}
	if c.want, err = normal(tagged(c.facts, r.Want, r.Tags)); err != nil {
		return c, fmt.Errorf("create %s: %w", subject(r), err)
	}
	c.want = enlarged(r, c.want)
	if c.desired, err = json.Marshal(c.want); err != nil {
		return c, fmt.Errorf("create %s: %w", subject(r), err)
	}
	return c, nil
}

// nothing is the outcome after a failure, unless an attempt's end is open.
func (c *creation) nothing(call engine.Call) engine.Created {
	if c.open {
		return engine.Created{Call: call}
	}
	return engine.Created{Call: call, Certainty: engine.NotMade}
}

// send asks for the object, again under the same token while there is no
// answer or the service is too busy to take it.
func (c *creation) send(ctx context.Context, n int) (id string, err error) {
	t := newTries(c.Wait)
	for {
		id, err := c.control.create(ctx, c.Type, clientToken(c.Token, n), c.desired, c.Wait)
		fail := failureOf(err)
		switch {
		case err == nil || fail != nil && fail.call != engine.Send:
			return id, err
		case fail == nil || fail.busy() && fail.code != "Throttling":
			c.open = true // it may have arrived
		case !fail.busy():
			return "", err
		}
		if fail == nil {
			if ctx.Err() != nil || !passing(err) {
				return "", err
			}
			fail = &failure{code: "NetworkFailure", message: err.Error(), call: engine.Send}
		}
		if again := t.again(ctx, fail, sendFor); again != nil {
			return "", cmp.Or(err, again)
		}
	}
}

func (c *creation) created(ctx context.Context, id string) (engine.Created, error) {
	props, err := c.control.getNew(ctx, c.Type, id)
	if err != nil {
		return engine.Created{Object: engine.Object{ID: id}, Certainty: engine.Unready, Call: engine.Settle},
			explain("read the new "+subject(c.Request), err)
	}
	return engine.Created{Object: object(c.facts, id, props), Certainty: engine.Made}, nil
}

// salvage looks at what a failed create left behind: an object that is ours
// and good is adopted, one that is ours and half made is deleted, and one that
// is not ours is left alone. It is done if the create's end is known, or cannot be.
func (c *creation) salvage(ctx context.Context, fail *failure) (made engine.Created, done bool, err error) {
	switch fail.code {
	case "AlreadyExists", "ClientTokenConflict":
		return c.find(ctx)
	case "ResourceConflict", "ConcurrentOperation":
		return made, false, nil // an identifier here is somebody else's
	}
	if fail.id == "" {
		return made, false, nil
	}
	live, err := c.control.get(ctx, c.Type, fail.id)
	switch {
	case isNotFound(err):
		return made, false, nil
	case err != nil:
		return engine.Created{Call: engine.Look}, true, explain("read what a failed create left of "+subject(c.Request), err)
	case !c.ours(fail.id, live):
		return made, false, nil
	}
	if fail.code == "NotStabilized" || fail.code == "ServiceTimeout" {
		if err := c.stable(ctx, c.Type, fail.id, c.Wait); err == nil {
			made, err := c.created(ctx, fail.id)
			return made, true, err
		}
	}
	if fail.replay && !assigned(c.facts) {
		return made, false, nil // a later try may have made it anew, under the same name
	}
	half := c.Request
	half.ID = fail.id
	if err := c.Delete(ctx, half); err != nil {
		return engine.Created{Object: engine.Object{ID: fail.id}, Certainty: engine.Unready, Call: engine.Settle}, true,
			fmt.Errorf("%w (the create had failed: %w)", err, fail)
	}
	return made, false, nil
}

// look finds out whether an attempt whose end is open made the object. Once
// it is certain that it did not, nothing is open any more.
func (c *creation) look(ctx context.Context) (made engine.Created, done bool, err error) {
	if !c.recognizable() {
		return engine.Created{Call: engine.Look}, true, &problem.Error{Kind: problem.Outside, Op: "look for " + subject(c.Request),
			Err: errors.New("an earlier attempt may have made it, and objects of this type carry neither tags nor a name to find it by"),
			Fix: "run the same command again, or look yourself and tell what you found"}
	}
	if made, done, err = c.find(ctx); !done {
		c.open = false
	}
	return made, done, err
}

// recognizable reports that an object of this type tells whose it is.
func (c *creation) recognizable() bool {
	_, named := identify(c.facts, c.want)
	return named || c.Type == associationType || c.readsTags() || suffixed.MatchString(c.Name) && nameProperty(c.Name, c.want) != ""
}

// readsTags reports that an object's tags come back when it is read.
func (c *creation) readsTags() bool {
	return c.facts.Tags != "" && !slices.Contains(c.facts.WriteOnly, c.facts.Tags)
}

// find looks for the object that is ours, and makes it as wanted.
func (c *creation) find(ctx context.Context) (made engine.Created, done bool, err error) {
	id, err := c.search(ctx)
	if err != nil {
		return engine.Created{Call: engine.Look}, true, explain("look for "+subject(c.Request), err)
	}
	if id == "" {
		return made, false, nil
	}
	made, err = c.adopt(ctx, id)
	return made, true, err
}

// search is the identifier of the object that is ours, or empty.
func (c *creation) search(ctx context.Context) (string, error) {
	if c.Type == associationType {
		return c.association(ctx)
	}
	if id, ok := identify(c.facts, c.want); ok {
		live, err := c.control.get(ctx, c.Type, id)
		if isNotFound(err) || err == nil && !c.ours(id, live) {
			return "", nil
		}
		return id, err
	}
	if !c.readsTags() && nameProperty(c.Name, c.want) == "" {
		return "", nil
	}
	ids, err := c.control.list(ctx, c.Type, parents(c.facts, c.want))
	if err != nil {
		return "", err
	}
	for _, id := range ids {
		if c.Knows(id) {
			continue
		}
		live, err := c.control.get(ctx, c.Type, id)
		if err != nil && !isNotFound(err) {
			return "", err
		}
		if err == nil && c.carriesOurs(live) {
			return id, nil
		}
	}
	return "", nil
}

// carriesOurs recognizes an object among all of its type, by tags or by name.
func (c *creation) carriesOurs(live map[string]any) bool {
	if named := nameProperty(c.Name, c.want); named != "" && live[named] != c.Name {
		return false
	}
	if c.readsTags() {
		return c.hasTags(live)
	}
	return suffixed.MatchString(c.Name)
}

func (c *creation) hasTags(live map[string]any) bool {
	tags := tagsOf(live[c.facts.Tags])
	for key, value := range c.Tags {
		if tags[key] != value {
			return false
		}
	}
	return len(c.Tags) > 0
}

// adopt waits until an object that is ours is stable, and makes it as wanted.
func (c *creation) adopt(ctx context.Context, id string) (engine.Created, error) {
	made := engine.Created{Object: engine.Object{ID: id}, Certainty: engine.Unready, Call: engine.Settle}
	if err := c.stable(ctx, c.Type, id, c.Wait); err != nil {
		return made, fmt.Errorf("adopt %s: %w", subject(c.Request), err)
	}
	live, err := c.control.getNew(ctx, c.Type, id)
	if err != nil {
		return made, explain("adopt "+subject(c.Request), err)
	}
	adopted := c.Request
	adopted.ID, adopted.Old = id, covered(c.facts, live, c.want)
	obj, err := c.Update(ctx, adopted)
	if err != nil {
		return made, err
	}
	return engine.Created{Object: obj, Certainty: engine.Made}, nil
}

func nameProperty(name string, want map[string]any) string {
	for _, key := range engine.Keys(want) {
		if name != "" && want[key] == name {
			return key
		}
	}
	return ""
}

// parents are the wanted values of fixed properties, which list handlers may
// ask for (ClusterName).
func parents(f schema.Facts, want map[string]any) map[string]any {
	model := map[string]any{}
	for _, path := range f.CreateOnly {
		if v, ok := want[path].(string); ok {
			model[path] = v
		}
	}
	return model
}

// suffixed names end in the engine's random suffix, which nobody else would choose.
var suffixed = regexp.MustCompile(`-[0-9a-f]{7}$`)

// ours says whether a live object may be taken over, or deleted as half made:
// it is not one that the state has already, and has all of our tags. Without
// tags, its identifier was made up by AWS for our very request, or its name
// holds our random suffix.
func (c *creation) ours(id string, live map[string]any) bool {
	if c.Knows(id) {
		return false
	}
	if c.readsTags() && len(tagsOf(live[c.facts.Tags])) > 0 {
		return c.hasTags(live)
	}
	if assigned(c.facts) && nameProperty(c.Name, live) == "" {
		return true
	}
	if c.readsTags() && len(c.Tags) > 0 {
		return false // it could have our tags, and has none
	}
	return suffixed.MatchString(c.Name) && (strings.Contains(id, c.Name) || nameProperty(c.Name, live) != "")
}

// assigned types get their identifier from AWS, not from a wanted name.
func assigned(f schema.Facts) bool {
	return slices.ContainsFunc(f.ID, func(name string) bool { return slices.Contains(f.ReadOnly, name) })
}

// Read returns engine.ErrNotFound once the object is gone.
func (p *Provider) Read(ctx context.Context, r engine.Request) (engine.Object, error) {
	p, err := p.at(ctx, r.Where)
	if err != nil {
		return engine.Object{}, err
	}
	f, err := p.catalog.facts(ctx, r.Type)
	if err != nil {
		return engine.Object{}, err
	}
	props, err := p.control.get(ctx, r.Type, r.ID)
	if isNotFound(err) {
		id, lookErr := p.standsAs(ctx, r)
		if lookErr == nil && id == "" {
			return engine.Object{}, fmt.Errorf("%s: %w", subject(r), engine.ErrNotFound)
		}
		if err = lookErr; err == nil {
			r.ID = id
			props, err = p.control.get(ctx, r.Type, id)
		}
	}
	if err != nil {
		return engine.Object{}, explain("read "+subject(r), err)
	}
	obj := object(f, r.ID, props)
	obj.Size = sizeOf(r.Type, props)
	return obj, nil
}

// readNew reads an object that was just made.
func (p *Provider) readNew(ctx context.Context, r engine.Request) (engine.Object, error) {
	f, err := p.catalog.facts(ctx, r.Type)
	if err != nil {
		return engine.Object{}, err
	}
	props, err := p.control.getNew(ctx, r.Type, r.ID)
	if err != nil {
		return engine.Object{}, explain("read "+subject(r), err)
	}
	return object(f, r.ID, props), nil
}

// Update changes what differs between r.Old and r.Want, and nothing else.
func (p *Provider) Update(ctx context.Context, r engine.Request) (engine.Object, error) {
	p, err := p.at(ctx, r.Where)
	if err != nil {
		return engine.Object{}, err
	}
	if p.Switches(r.Type) {
		return p.switchTable(ctx, r)
	}
	op := "update " + subject(r)
	f, err := p.catalog.facts(ctx, r.Type)
	if err != nil {
		return engine.Object{}, err
	}
	want, err := normal(tagged(f, r.Want, r.Tags))
	if err != nil {
		return engine.Object{}, fmt.Errorf("%s: %w", op, err)
	}
	old, err := normal(tagged(f, r.Old, r.Tags))
	if err != nil {
		return engine.Object{}, fmt.Errorf("%s: %w", op, err)
	}
	if old, want, err = unshrunk(r, old, want); err != nil {
		return engine.Object{}, err
	}
	diff := patch{facts: f, resend: resends[r.Type]}
	for _, begun := range r.Maybe {
		props, err := normal(begun)
		if err != nil {
			return engine.Object{}, fmt.Errorf("%s: %w", op, err)
		}
		diff.maybe = append(diff.maybe, props)
	}
	made := change{typ: r.Type, facts: f, old: old, want: want}
	for _, target := range stages(r.Type, old, want) {
		if moved, err := p.upgrade(ctx, r, old, target); err != nil {
			return engine.Object{}, explain(op, err)
		} else if moved {
			old = target
			continue
		}
		diff.old, diff.want = old, target
		before, err := p.change(ctx, r, diff)
		if err != nil {
			return engine.Object{}, explain(op, err)
		}
		old = target
		if before != nil {
			made.before = before
		}
	}
	return p.readUpdated(ctx, r, made)
}

// change sends one patch, again if need be. The live object is read before
// each try: what a failed one has removed cannot be removed again. It is
// returned as it was before the patch; nil: there was nothing to send.
func (p *Provider) change(ctx context.Context, r engine.Request, diff patch) (before map[string]any, err error) {
	t := newTries(r.Wait)
	for {
		live, err := p.control.get(ctx, r.Type, r.ID)
		if err != nil {
			return nil, err
		}
		ops := diff.operations(live)
		if len(ops) == 0 {
			return before, nil
		}
		before = live
		err = p.control.update(ctx, r.Type, r.ID, ops, r.Wait)
		fail := failureOf(err)
		if fail == nil {
			return before, err
		}
		if err := t.again(ctx, fail, fail.patienceToChange()); err != nil {
			return before, err
		}
	}
}

// stages splits a change that a service takes only alone: EKS moves the
// version in an update of its own (aws/containers-roadmap #1258). It comes last,
// since everything else also works on the old version.
func stages(typ string, old, want map[string]any) []map[string]any {
	if typ != "AWS::EKS::Cluster" && typ != "AWS::EKS::Nodegroup" {
		return []map[string]any{want}
	}
	first := map[string]any{}
	for key, value := range want {
		first[key] = value
	}
	for _, key := range []string{"Version", "ReleaseVersion"} {
		if value, ok := old[key]; ok {
			first[key] = value
		} else {
			delete(first, key)
		}
	}
	return []map[string]any{first, want}
}

// Delete returns when the object is gone. While something still uses it, it is
// asked again.
func (p *Provider) Delete(ctx context.Context, r engine.Request) error {
	if r.ID == "" {
		return fmt.Errorf("delete %s: %w", subject(r), errors.New("it has no identifier"))
	}
	p, err := p.at(ctx, r.Where)
	if err != nil {
		return err
	}
	if r.Type == "AWS::AutoScaling::AutoScalingGroup" {
		if err := p.scaling.lower(ctx, r.ID); err != nil {
			return explain("delete "+subject(r), err)
		}
	}
	t := newTries(r.Wait)
	for {
		err := p.control.remove(ctx, r.Type, r.ID, r.Wait)
		if isNotFound(err) {
			var id string
			if id, err = p.standsAs(ctx, r); id != "" {
				r.ID = id
				continue
			}
		}
		if err == nil {
			return nil
		}
		fail := failureOf(err)
		if fail == nil {
			return explain("delete "+subject(r), err)
		}
		if err := t.again(ctx, fail, fail.patienceToRemove()); err != nil {
			return explain("delete "+subject(r), err)
		}
	}
}

// Replaces lists properties that only a new object can have otherwise.
func (p *Provider) Replaces(typ string, old, want plan.Props) []string {
	f, ok := p.factsForPlan(typ)
	before, errOld := normal(old)
	after, errWant := normal(want)
	if !ok || errOld != nil || errWant != nil {
		return nil // Update will meet the same error, and can tell it
	}
	if p.Switches(typ) {
		f.Immutable, f.CreateOnly = false, []string{"SubnetId"}
	}
	return replaces(f, before, after)
}

// DeleteFirst says whether an object cannot stand beside the one that replaces
// it: its type allows one at a time, or both would have the same name.
func (p *Provider) DeleteFirst(typ string, old, want plan.Props) bool {
	f, _ := p.factsForPlan(typ)
	if typ == associationType {
		return subnetOf(old) != "" && subnetOf(old) == subnetOf(want)
	}
	return f.DeleteFirst || sameIdentity(f, old, want) || sameName(typ, old, want)
}

// sameIdentity reports that both objects would have one identifier, as it is made of their properties.
func sameIdentity(f schema.Facts, old, want plan.Props) bool {
	before, ok := identify(f, old)
	after, okToo := identify(f, want)
	return ok && okToo && before == after
}

// sameName reports that both objects would have one name, of a type whose identifier AWS assigns.
func sameName(typ string, old, want plan.Props) bool {
	if scope := scopes[typ]; scope != "" && !equal(old[scope], want[scope]) {
		return false
	}
	return slices.ContainsFunc(nameKeys(typ), func(key string) bool {
		name, ok := want[key].(string)
		return ok && name != "" && old[key] == name
	})
}

// nameKeys are the properties that types keep their names in.
func nameKeys(typ string) []string {
	kind := typ[strings.LastIndexByte(typ, ':')+1:]
	return []string{"Name", kind + "Name", kind + "Identifier", "GroupName"}
}

// Claims are the names in an object's properties, of which there is one at a
// time, and the subnet of an association. Names are unique in the account or only within a parent (the alias of a
// function): two that differ in what could be one are taken for different.
func (p *Provider) Claims(typ string, props plan.Props) []string {
	f, _ := p.factsForPlan(typ)
	var found []string
	if id, ok := identify(f, props); ok {
		found = append(found, "ID "+id)
	}
	if subnet := subnetOf(props); typ == associationType && subnet != "" {
		found = append(found, "the table of "+subnet)
	}
	for _, key := range nameKeys(typ) {
		if name, ok := props[key].(string); ok && name != "" {
			found = append(found, fmt.Sprintf("%s %q of %v", key, name, parentsBut(key, f, props)))
		}
	}
	return found
}

// parentsBut are the values of fixed properties that may name a parent.
func parentsBut(name string, f schema.Facts, props plan.Props) []any {
	var values []any
	for _, key := range f.CreateOnly {
		if key != name && parentKey.MatchString(key) {
			values = append(values, props[key])
		}
	}
	return values
}

var parentKey = regexp.MustCompile(`^[A-Za-z]*(Name|Id|Arn)$`)

// Secrets are the properties of a type that are secret: what AWS itself never
// reads back to anybody.
func (p *Provider) Secrets(typ string) []string {
	f, _ := p.factsForPlan(typ)
	paths := slices.Clone(invented[typ])
	for _, path := range f.WriteOnly {
		within := func(o string) bool { return path == o || strings.HasPrefix(path, o+"/") }
		if path != f.Tags && !slices.ContainsFunc(open[typ], within) {
			paths = append(paths, path)
		}
	}
	return paths
}

// Steady says whether no update in place changes an output.
func (p *Provider) Steady(typ, output string) bool {
	f, _ := p.factsForPlan(typ)
	path := strings.ReplaceAll(output, ".", "/")
	within := func(fixed string) bool { return path == fixed || strings.HasPrefix(path, fixed+"/") }
	return slices.ContainsFunc(slices.Concat(f.ID, f.CreateOnly, steady[typ], ownIdentifiers(typ, f)), within)
}

// ownIdentifiers are the read-only properties that CloudFormation calls after
// the type itself, or after nothing: Arn, Id, TargetGroupArn of a TargetGroup.
// They name the object for as long as it stands.
func ownIdentifiers(typ string, f schema.Facts) []string {
	name := typ[strings.LastIndexByte(typ, ':')+1:]
	return slices.DeleteFunc(slices.Clone(f.ReadOnly), func(p string) bool {
		what := strings.TrimPrefix(p, name)
		return what != "Arn" && what != "ARN" && what != "Id" && what != "ID"
	})
}

// Outputs are the properties of a type, of which any may be referred to.
func (p *Provider) Outputs(typ string) []string {
	f, _ := p.factsForPlan(typ)
	return f.Properties
}

// factsForPlan serves the calls of the planner, which have no context, as for
// nearly all types there is nothing to wait for.
func (p *Provider) factsForPlan(typ string) (schema.Facts, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), schemaTimeout)
	defer cancel()
	f, err := p.catalog.facts(ctx, typ)
	return f, err == nil
}

// subject names the object as people know it.
func subject(r engine.Request) string {
	switch {
	case r.Name != "" && r.ID != "" && r.ID != r.Name:
		return fmt.Sprintf("%s %s (%s)", r.Type, r.Name, r.ID)
	case r.Name != "":
		return r.Type + " " + r.Name
	}
	return strings.TrimSpace(r.Type + " " + r.ID)
}

// tries paces the repetitions of one call.
type tries struct {
	start time.Time
	pause backoff
	wait  func(string)
}

func newTries(wait func(string)) *tries { return &tries{start: time.Now(), wait: wait} }

// again sleeps before the next try, or returns the failure when patience is used up.
func (t *tries) again(ctx context.Context, fail *failure, patience time.Duration) error {
	if time.Since(t.start) >= patience {
		return fail
	}
	if t.wait != nil {
		t.wait("trying again: " + fail.Error())
	}
	return sleep.For(ctx, t.pause.next())
}
