package spec

import (
	"regexp"
	"slices"
	"strings"

	"github.com/droverhq/drover/value"
)

// Bottlerocket is the other system that nodes may have; empty is Amazon Linux 2023.
const Bottlerocket = "bottlerocket"

// Disk is the disk of a node; of Bottlerocket the one for images, containers and logs.
type Disk struct {
	Size       int    // GiB
	Type       string // gp3, …
	IOPS       int    // 0: the type's own
	Throughput int    // MiB/s; 0: the type's own
	Encrypted  bool
	Key        any // KMS key, references allowed; nil: the account's own for disks
}

// OnDemand is how much of a group of mixed capacity is on-demand: so many nodes first,
// and so many in a hundred of the others.
type OnDemand struct{ Base, Percent int }

var diskTypes = []string{"gp3", "gp2", "io1", "io2", "st1"}

// EBS takes disks from 1 GiB to 16 TiB; an image needs 20 GiB.
const (
	smallestDisk = 20
	largestDisk  = 16384
)

const diskExample = "disk: {size: 100, type: gp3, encrypted: true}"

func (f field) disk() *Disk {
	o, ok := f.object(diskExample, "size", "type", "iops", "throughput", "encrypted", "key")
	if !ok || !f.given() {
		return nil
	}
	d := &Disk{Type: "gp3"}
	if o.get("type").given() {
		d.Type = o.get("type").choice("type", diskTypes...)
	}
	size := o.need("size", "add size: 100")
	var sized bool
	if d.Size, sized = size.integer(); sized && (d.Size < smallestDisk || d.Size > largestDisk) {
		size.fail("take 20 to 16384", "%d GiB is no size of a node's disk", d.Size)
	}
	for key, to := range map[string]*int{"iops": &d.IOPS, "throughput": &d.Throughput} {
		if n := o.get(key); n.given() {
			*to, _ = n.integer()
		}
	}
	d.Encrypted = o.get("encrypted").truth()
	if key := o.get("key"); key.given() {
		d.Key, d.Encrypted = key.arn(keyARN, "a KMS key", "key: ${resources.key.Arn}"), true
	}
	return d
}

// instanceTypes reads those that a group may be of, the first one as it is counted with.
func (o object) instanceTypes() []string {
	one, several := o.get("instanceType"), o.get("instanceTypes")
	switch {
	case one.given() && several.given():
		several.fail("remove one of the two", "instanceType says it already")
	case !several.given():
		return []string{o.need("instanceType", "add instanceType: m7i.large").instanceType()}
	}
	var types []string
	for _, item := range several.items("instanceTypes: [m7i.large, m6i.large]") {
		t := item.instanceType()
		if slices.Contains(types, t) {
			item.fail("remove one of the two", "%q is listed twice", t)
			continue
		}
		types = append(types, t)
	}
	if len(types) == 0 {
		several.fail("write instanceTypes: [m7i.large, m6i.large]", "names none")
		types = []string{""}
	}
	return types
}

// onDemand reads how a mixed group is mixed.
func (f field) onDemand() *OnDemand {
	const example = "onDemand: {base: 1, percent: 20}"
	o, ok := f.object(example, "base", "percent")
	if !ok || !f.given() {
		return nil
	}
	d := &OnDemand{}
	if n := o.get("base"); n.given() {
		d.Base, _ = n.integer()
	}
	if n := o.get("percent"); n.given() {
		d.Percent, _ = n.integer()
	}
	if d.Base < 0 || d.Percent < 0 || d.Percent > 100 {
		f.fail("write it as "+example, "base is a number of nodes, and percent is 0 to 100")
	}
	return d
}

// userData reads what the nodes are told beside what Drover tells them: scripts and
// NodeConfigs for Amazon Linux, settings for Bottlerocket.
func (f field) userData(os string) []string {
	if !f.given() {
		return nil
	}
	items := []field{f}
	if describe(f.node) == "a list" {
		items = f.items("userData: [\"#!/bin/sh …\"]")
	}
	var parts []string
	for _, item := range items {
		v := item.tree(func(ref string) bool { return strings.HasPrefix(ref, "config.") })
		text, ok := v.(string)
		switch {
		case value.HasSecret(v):
			item.refuseSecret("a script that fetches the secret")
		case !ok || strings.TrimSpace(text) == "":
			item.fail("write it as a block of text: userData: |", "is no text")
		case os == Bottlerocket && (strings.HasPrefix(text, "#!") || nodeConfig.MatchString(text)):
			item.fail("write settings in TOML, as in [settings.kubernetes]", "Bottlerocket runs no scripts, and knows no NodeConfig")
		case os != Bottlerocket && !strings.HasPrefix(text, "#!") && !nodeConfig.MatchString(text):
			item.fail("begin with #!/bin/sh, or write kind: NodeConfig", "is neither a script nor a NodeConfig")
		default:
			parts = append(parts, strings.TrimRight(text, "\n")+"\n")
		}
	}
	return parts
}

var nodeConfig = regexp.MustCompile(`(?m)^kind: NodeConfig\s*$`)
