package spec

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// maxSkew is how many minors a kubelet may be older than the API server
// (from 1.28 on: kubernetes.io/releases/version-skew-policy).
const maxSkew = 3

var taintEffects = []string{"NoSchedule", "PreferNoSchedule", "NoExecute"}

const groupExample = `web: {instanceType: m7i.large, capacity: 3}`

func (l *loader) nodeGroups(f field) {
	for _, e := range f.entries(groupExample) {
		l.spec.NodeGroups = append(l.spec.NodeGroups, l.nodeGroup(e))
	}
}

func (l *loader) nodeGroup(e entry) NodeGroup {
	g := NodeGroup{Name: e.name, At: e.at}
	if e.name == reservedGroup {
		e.fail("choose another name", "%q is the name of the cluster's own role", e.name)
	}
	e.checkLabel(e.name, maxGroup, "a node group")
	o, ok := e.object(groupExample, slices.Concat([]string{"kind", "instanceType", "instanceTypes", "version", "os", "ami", "release", "update", "capacity",
		"capacityType", "onDemand", "disk", "userData", "taints", "labels", "soak", "settle", "fence"}, allOptions)...)
	if !ok {
		return g
	}
	o.refuse(refusedOfGroup)
	g.Managed = o.get("kind").oneOf("kind", "managed", "self-managed") == "managed"
	types := o.instanceTypes()
	g.InstanceType, g.OtherTypes = types[0], types[1:]
	if o.get("os").choice("os", "al2023", Bottlerocket) == Bottlerocket {
		g.OS = Bottlerocket
	}
	if g.AMI = o.get("ami").ami(); g.AMI == newest {
		g.AMI, g.Newest = nil, true
	}
	g.Version = l.groupVersion(o)
	g.Capacity = o.need("capacity", "add capacity: 3").capacity()
	g.Taints = o.get("taints").taints()
	g.Labels = o.get("labels").labels()
	read(o.get("soak"), &g.Soak, field.soak)
	read(o.get("settle"), &g.Settle, field.settle)
	g.Spot = o.get("capacityType").oneOf("capacityType", "on-demand", "spot") == "spot"
	g.OnDemand = o.get("onDemand").onDemand()
	g.Disk, g.UserData = o.get("disk").disk(), o.get("userData").userData(g.OS)
	g.Options = o.options()
	g.Fence = o.get("fence").fence(g)
	l.managed(o, &g)
	return g
}

// fence tells whether the group has a fence: by default, if nobody is to make it
// smaller or larger. What an autoscaler has emptied would stay behind one, and cost.
func (f field) fence(g NodeGroup) bool {
	switch {
	case g.Managed && f.given():
		f.fail("remove it, or write kind: self-managed", "a managed group has none: EKS answers its termination hooks itself")
	case g.Managed:
	case f.given():
		return f.truth()
	default:
		return g.Capacity.Min == g.Capacity.Max
	}
	return false
}

// managed reads what only managed groups have, and refuses what EKS would.
func (l *loader) managed(o object, g *NodeGroup) {
	own := []string{"release", "update"}
	if !g.Managed {
		if f := o.get("onDemand"); f.given() && !g.Spot {
			f.fail("write capacityType: spot, or remove it", "all of the group is on-demand")
		}
		for _, key := range own {
			if f := o.get(key); f.given() {
				f.fail("remove it, or write kind: managed", "only managed groups have it")
			}
		}
		return
	}
	if g.Newest {
		o.get("ami").fail("write release: latest, or kind: self-managed", "an image of EKS's own is known by its release in a managed group")
	}
	if f := o.get("onDemand"); f.given() {
		f.fail("remove it, or write kind: self-managed", "a managed group is on-demand or Spot as a whole")
	}
	if g.Release = o.get("release").release(g.OS); g.Release == newest {
		g.Release, g.Newest = "", true
	}
	g.InPlace = o.get("update").oneOf("update", "drover", "eks") == "eks"
	g.Capacity.Max = max(g.Capacity.Max, 1) // EKS takes no less
	if g.AMI != nil {
		for key, why := range map[string]string{
			"release": "a group with an ami has the release of that image",
			"update":  "a group with an ami is always replaced: EKS updates only groups that run its own images",
		} {
			if f := o.get(key); f.given() {
				f.fail("remove one of the two", "%s", why)
			}
		}
		return
	}
	if f := o.get("version"); f.given() && l.spec.Cluster != nil && g.Version != "" && g.Version != l.spec.Cluster.Version {
		f.fail("remove it, name an ami of that version, or write kind: self-managed",
			"EKS makes managed groups of the cluster's version only, which is %s", l.spec.Cluster.Version)
	}
}

// oneOf is one of two words, the first if none is given.
func (f field) oneOf(key, usual, other string) string {
	if !f.given() {
		return usual
	}
	word, ok := f.word(key + ": " + other)
	if ok && word != usual && word != other {
		f.fail("write "+usual+" or "+other, "%q is neither%s", word, didYouMean(word, []string{usual, other}))
	}
	return word
}

// newest asks for the newest image there is, at every run.
const newest = "latest"

// release is the version of one of EKS's images, or asks for the newest.
func (f field) release(os string) string {
	if !f.given() {
		return ""
	}
	form, example := releaseVersion, "1.36.3-20261101"
	if os == Bottlerocket {
		form, example = bottlerocketVersion, "1.50.0-4f2a1b3c"
	}
	r, ok := f.word("release: " + example)
	if ok && r != newest && !form.MatchString(r) {
		f.fail("write it as in "+example+", or latest", "%q is not the release of an image", r)
	}
	return r
}

var (
	releaseVersion      = regexp.MustCompile(`^1\.[0-9]+\.[0-9]+-[0-9]{8}$`)
	bottlerocketVersion = regexp.MustCompile(`^1\.[0-9]+\.[0-9]+-[0-9a-f]{8}$`)
)

// The longest times that a hand-over may be told to wait. Whoever wants to keep
// an empty group for longer keeps paying for it; who still sends to a pod an
// hour later does not follow the cluster at all.
const (
	maxSoak   = 7 * 24 * time.Hour
	maxSettle = time.Hour
)

func (f field) soak() time.Duration { return f.upTo("soak: 4h", maxSoak) }

func (f field) settle() time.Duration { return f.upTo("settle: 30s", maxSettle) }

// upTo reads a duration from 0 to the longest.
func (f field) upTo(example string, longest time.Duration) time.Duration {
	text, ok := f.word(example)
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		f.fail("write number and unit (h, m, s), as in "+example, "%q is not a duration", text)
	case d < 0 || d > longest:
		f.fail("take 0s to "+longest.String(), "%q is out of range", text)
	}
	return d
}

func (f field) instanceType() string {
	t, ok := f.word("instanceType: m7i.large")
	if ok && !instanceType.MatchString(t) {
		f.fail("write family and size, as in m7i.large", "%q is not an instance type", t)
	}
	return t
}

// ami takes an image's ID, or a reference to a parameter that holds one.
func (f field) ami() any {
	if !f.given() {
		return nil
	}
	image, ok := f.open("ami: ami-0123456789abcdef0")
	id, plain := image.(string)
	if ok && plain && id != newest && !imageID.MatchString(id) {
		f.fail("write it as in ami-0123456789abcdef0, or latest, or remove it: the image is looked up for the version",
			"%q is not an image ID", id)
	}
	return image
}

// groupVersion is the version of the group's nodes, the cluster's by default.
// An image that the user names is of whatever version it is.
func (l *loader) groupVersion(o object) string {
	cluster := ""
	if l.spec.Cluster != nil {
		cluster = l.spec.Cluster.Version
	}
	f := o.get("version")
	if !f.given() {
		if ami := o.get("ami"); ami.given() && ami.node.Value != newest {
			return ""
		}
		return cluster
	}
	v, ok := f.version()
	if !ok || cluster == "" {
		return v
	}
	switch behind := minor(cluster) - minor(v); {
	case behind < 0:
		f.fail("write "+cluster+" or older, or raise cluster.version first",
			"nodes of %s are newer than the control plane, which is %s", v, cluster)
	case behind > maxSkew:
		f.fail("write "+versionBehind(cluster, maxSkew)+" or newer",
			"nodes of %s are %d minors older than the control plane, which is %s; %d are allowed", v, behind, cluster, maxSkew)
	}
	return v
}

func (f field) capacity() Capacity {
	const example = "capacity: 3, or capacity: {desired: 3, min: 3, max: 10}"
	if !f.given() {
		return Capacity{}
	}
	if !strings.HasPrefix(describe(f.node), "a ") { // a mapping or a list
		n, ok := f.integer()
		if ok && n < 0 {
			f.fail("write 0 or more", "%d nodes are not possible", n)
		}
		return Capacity{Min: n, Desired: n, Max: n}
	}
	o, ok := f.object(example, "desired", "min", "max")
	if !ok {
		return Capacity{}
	}
	desired, ok := o.need("desired", "add desired: 3").integer()
	c := Capacity{Min: desired, Desired: desired, Max: desired}
	if f := o.get("min"); f.given() && ok {
		c.Min, ok = f.integer()
	}
	if f := o.get("max"); f.given() && ok {
		c.Max, ok = f.integer()
	}
	if ok && (c.Min < 0 || c.Min > c.Desired || c.Desired > c.Max) {
		f.fail("make it 0 <= min <= desired <= max", "min %d, desired %d, max %d are out of order", c.Min, c.Desired, c.Max)
	}
	return c
}

func (f field) taints() []Taint {
	var taints []Taint
	for _, item := range f.items(`taints: ["nginx=true:NoSchedule"]`) {
		text, ok := item.word(`"nginx=true:NoSchedule"`)
		if !ok {
			continue
		}
		t, ok := item.taint(text)
		if ok && slices.ContainsFunc(taints, func(o Taint) bool { return o.Key == t.Key && o.Effect == t.Effect }) {
			item.fail("remove one of the two", "a taint %s with effect %s is listed twice", t.Key, t.Effect)
			continue
		}
		taints = append(taints, t)
	}
	return taints
}

func (f field) taint(text string) (Taint, bool) {
	const fix = `write key=value:Effect, as in "nginx=true:NoSchedule"`
	head, effect, found := strings.Cut(text, ":")
	key, value, _ := strings.Cut(head, "=")
	t := Taint{Key: key, Value: value, Effect: effect}
	switch {
	case !found:
		f.fail(fix, "%q is not a taint: it has no effect", text)
	case !slices.Contains(taintEffects, effect):
		f.fail("choose from "+choices(taintEffects),
			"%q: Kubernetes has no effect %q%s", text, effect, didYouMean(effect, taintEffects))
	case labelKeyProblem(key) != "":
		f.fail(fix, "%q is not a taint: %s", text, labelKeyProblem(key))
	case !validLabelValue(value):
		f.fail(fix, "%q is not a taint: Kubernetes refuses the value %q", text, value)
	default:
		return t, true
	}
	return t, false
}

func (f field) labels() map[string]string {
	entries := f.entries("labels: {team: web}")
	if len(entries) == 0 {
		return nil
	}
	labels := make(map[string]string, len(entries))
	for _, e := range entries {
		value, ok := e.word(e.name + `: "true"`)
		if !ok {
			if !e.given() {
				e.fail(`write "" for an empty value`, "has no value")
			}
			continue
		}
		labels[e.name] = value
		e.checkNodeLabel(value)
	}
	return labels
}

func (e entry) checkNodeLabel(value string) {
	switch keyProblem := labelKeyProblem(e.name); {
	case keyProblem != "":
		e.fail("write it as in example.com/team or team", "%s", keyProblem)
	case e.name == NodeGroupLabel:
		e.fail("remove it", "Drover sets this label itself")
	case !kubeletMaySet(e.name):
		e.fail("use a domain of your own, or node.kubernetes.io/", "Kubernetes does not let a node give itself this label")
	case !validLabelValue(value):
		e.fail("use letters, digits, -, _ and ., 63 characters at most", "Kubernetes refuses the value %q", value)
	}
}
