package region

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// States of a managed node group.
const (
	NodegroupCreating     = "CREATING"
	NodegroupActive       = "ACTIVE"
	NodegroupUpdating     = "UPDATING"
	NodegroupDeleting     = "DELETING"
	NodegroupCreateFailed = "CREATE_FAILED"
	NodegroupDegraded     = "DEGRADED"
)

// Nodegroup is AWS::EKS::Nodegroup. What it is made of (an Auto Scaling group, a
// launch template and an instance profile) is EKS's own; package eks acts on it.
type Nodegroup struct {
	ID             string `json:"Id"` // cluster/name
	Arn            string
	ClusterName    string
	NodegroupName  string
	NodeRole       string
	Subnets        []string
	InstanceTypes  []string `json:",omitempty"`
	AmiType        string
	CapacityType   string
	DiskSize       int `json:",omitempty"`
	Version        string
	ReleaseVersion string            `json:",omitempty"`
	Labels         map[string]string `json:",omitempty"`
	Taints         []NodegroupTaint  `json:",omitempty"`
	Scaling        *NodegroupScaling `json:"ScalingConfig,omitempty"` // never nil once created
	UpdateConfig   NodegroupStrategy
	LaunchTemplate *NodegroupTemplate `json:",omitempty"`
	ForceUpdate    bool               `json:"ForceUpdateEnabled,omitempty"` // of a request
	Tags           map[string]string  `json:",omitempty"`
	Rest           Rest               `json:",omitempty"`

	Token    string `json:",omitempty"` // of the request that made it
	Status   string
	Created  time.Time         `json:",omitzero"`
	Modified time.Time         `json:",omitzero"`
	Group    string            `json:",omitempty"` // the Auto Scaling group behind it
	Template string            `json:",omitempty"` // EKS's own launch template
	Launches string            `json:",omitempty"` // the version of that which the Auto Scaling group has
	Profile  string            `json:",omitempty"` // EKS's own instance profile
	Issues   []NodegroupIssue  `json:",omitempty"`
	Updates  []NodegroupUpdate `json:",omitempty"` // oldest first
}

// NodegroupTaint is a taint, its effect in EKS's words: NO_SCHEDULE.
type NodegroupTaint struct {
	Key    string
	Value  string `json:",omitempty"`
	Effect string
}

// NodegroupScaling is the size of a group.
type NodegroupScaling struct{ MinSize, DesiredSize, MaxSize int }

// NodegroupStrategy is how EKS replaces the nodes of a group.
type NodegroupStrategy struct {
	MaxUnavailable           int    `json:",omitempty"`
	MaxUnavailablePercentage int    `json:",omitempty"`
	UpdateStrategy           string `json:",omitempty"` // DEFAULT, MINIMAL
}

// NodegroupTemplate is the user's launch template. It is read back with both ID and
// name, and taken with one of them only.
type NodegroupTemplate struct {
	ID      string `json:"Id,omitempty"`
	Name    string `json:",omitempty"`
	Version string `json:",omitempty"`
}

// NodegroupIssue is something that is wrong with a group.
type NodegroupIssue struct {
	Code      string
	Message   string
	Resources []string `json:",omitempty"`
}

// NodegroupUpdate is a change of a group, and how far it is.
type NodegroupUpdate struct {
	ID      string
	Type    string // ConfigUpdate, VersionUpdate
	Status  string // InProgress, Successful, Failed
	Params  []Param
	Errors  []NodegroupIssue `json:",omitempty"`
	Created time.Time

	Gone []string `json:",omitempty"` // labels and taints (key:effect) that were taken away

	// Of a new version: what the group will have, what it launches by then, and how
	// far the replacement of its nodes is.
	Version  string             `json:",omitempty"`
	Release  string             `json:",omitempty"`
	Own      *NodegroupTemplate `json:",omitempty"`
	Launches string             `json:",omitempty"`
	Force    bool               `json:",omitempty"`
	Phase    string             `json:",omitempty"` // scale-up, upgrade, scale-down
	Since    time.Time          `json:",omitzero"`
	Before   *NodegroupScaling  `json:",omitempty"`
	Draining map[string]Drain   `json:",omitempty"` // by instance
}

// Drain is how far the nodes of a batch are.
type Drain struct {
	Since time.Time
	Empty time.Time `json:",omitzero"` // since when nothing runs there any more
}

// Param is one thing that an update changes.
type Param struct{ Type, Value string }

// Ended tells whether nothing more will happen.
func (u *NodegroupUpdate) Ended() bool { return u.Status != "InProgress" }

// Updating is the update under way, nil if there is none.
func (n *Nodegroup) Updating() *NodegroupUpdate {
	if k := len(n.Updates) - 1; k >= 0 && !n.Updates[k].Ended() {
		return &n.Updates[k]
	}
	return nil
}

func invalidParameter(format string, args ...any) error {
	return Errorf(Invalid, "InvalidParameterException", format, args...)
}

// Nodegroup finds a group.
func (s *State) Nodegroup(cluster, name string) (*Nodegroup, error) {
	if _, err := s.Cluster(cluster); err != nil {
		return nil, err
	}
	if n, ok := s.Nodegroups[cluster+"/"+name]; ok {
		return n, nil
	}
	return nil, Errorf(NotFound, "ResourceNotFoundException", "No node group found for name: %s.", name)
}

// CreateNodegroup makes a group and all that it is made of. It is CREATING until
// package eks has seen its nodes Ready.
func (s *State) CreateNodegroup(n *Nodegroup, now time.Time) (string, error) {
	c, err := s.Cluster(n.ClusterName)
	if err != nil {
		return "", err
	}
	if c.Status != "ACTIVE" {
		return "", Errorf(Invalid, "InvalidRequestException", "Cluster '%s' is not in ACTIVE status", c.Name)
	}
	if n.NodegroupName == "" {
		n.NodegroupName = "nodegroup-" + randomHex(12)
	}
	n.ID = n.ClusterName + "/" + n.NodegroupName
	if _, ok := s.Nodegroups[n.ID]; ok {
		return "", Errorf(Exists, "ResourceInUseException", "NodeGroup already exists with name %s and cluster name %s",
			n.NodegroupName, n.ClusterName)
	}
	if err := s.nodegroupDefaults(n, c); err != nil {
		return "", err
	}
	if err := s.checkNodegroup(n, c); err != nil {
		return "", err
	}
	id := UUID()
	n.Status, n.Created, n.Modified = NodegroupCreating, now, now
	n.Arn = s.ARN("eks", fmt.Sprintf("nodegroup/%s/%s/%s", n.ClusterName, n.NodegroupName, id))
	n.Group = "eks-" + n.NodegroupName + "-" + id
	if err := s.nodegroupParts(n, c, id, now); err != nil {
		return "", err
	}
	s.Nodegroups[n.ID] = n
	return n.ID, nil
}

// nodegroupDefaults fills in what was left out, as EKS does.
func (s *State) nodegroupDefaults(n *Nodegroup, c *Cluster) error {
	data, err := s.nodegroupTemplate(n)
	if err != nil {
		return err
	}
	if len(n.InstanceTypes) == 0 && data.InstanceType == "" {
		n.InstanceTypes = []string{"t3.medium"}
	}
	if n.CapacityType == "" {
		n.CapacityType = "ON_DEMAND"
	}
	if n.Scaling == nil {
		n.Scaling = &NodegroupScaling{MinSize: 1, DesiredSize: 2, MaxSize: 2}
	}
	if n.UpdateConfig.MaxUnavailable == 0 && n.UpdateConfig.MaxUnavailablePercentage == 0 {
		n.UpdateConfig.MaxUnavailable = 1
	}
	if n.UpdateConfig.UpdateStrategy == "" {
		n.UpdateConfig.UpdateStrategy = "DEFAULT"
	}
	if data.ImageID != "" {
		return s.customImage(n, data)
	}
	if n.AmiType == "" {
		n.AmiType = "AL2023_x86_64_STANDARD"
	}
	if n.Version == "" {
		n.Version = c.Version
	}
	if n.DiskSize == 0 && n.LaunchTemplate == nil {
		n.DiskSize = 20
	}
	return nil
}

// customImage is a group whose launch template names an image: the user says all
// about its nodes, and EKS adds nothing to their user data.
func (s *State) customImage(n *Nodegroup, data LaunchTemplateData) error {
	if n.AmiType != "" && n.AmiType != "CUSTOM" {
		return invalidParameter("You cannot specify an image id within the launch template, since your nodegroup is " +
			"configured to use an EKS AMI.")
	}
	if n.Version != "" {
		return invalidParameter("You cannot specify the field kubernetesVersion when using custom AMIs.")
	}
	if n.ReleaseVersion != "" {
		return invalidParameter("You cannot specify the field releaseVersion when using custom AMIs.")
	}
	image, ok := s.Image(data.ImageID)
	if !ok {
		return Errorf(Invalid, "InvalidRequestException", "The image id '[%s]' does not exist", data.ImageID)
	}
	n.AmiType, n.Version = "CUSTOM", image.Version
	n.ReleaseVersion = data.ImageID
	return nil
}

// nodegroupTemplate is what the user's launch template says; nothing without one.
func (s *State) nodegroupTemplate(n *Nodegroup) (LaunchTemplateData, error) {
	t := n.LaunchTemplate
	if t == nil {
		return LaunchTemplateData{}, nil
	}
	if (t.ID == "") == (t.Name == "") {
		return LaunchTemplateData{}, invalidParameter("Either provide launch template ID or name in the request.")
	}
	template, version, err := s.TemplateVersion(LaunchTemplateRef{LaunchTemplateID: t.ID, LaunchTemplateName: t.Name,
		Version: t.Version})
	if err != nil {
		return LaunchTemplateData{}, invalidParameter("Launch template details can't be null for Custom ami type node " +
			"group, or the launch template version does not exist")
	}
	n.LaunchTemplate = &NodegroupTemplate{ID: template.LaunchTemplateID, Name: template.LaunchTemplateName,
		Version: fmt.Sprint(version.Number)}
	return version.Data, nil
}

// Effects of taints, in EKS's words and in those of Kubernetes.
var nodegroupEffects = map[string]string{"NO_SCHEDULE": "NoSchedule", "NO_EXECUTE": "NoExecute",
	"PREFER_NO_SCHEDULE": "PreferNoSchedule"}

// KubernetesEffect is the effect in the words of Kubernetes.
func (t NodegroupTaint) KubernetesEffect() string { return nodegroupEffects[t.Effect] }

// checkNodegroup refuses a group that EKS would not make.
func (s *State) checkNodegroup(n *Nodegroup, c *Cluster) error {
	role := s.RoleByARN(n.NodeRole)
	if role == nil {
		return invalidParameter("The role with name %s cannot be found.", baseName(n.NodeRole))
	}
	if !slices.Contains([]string{"ON_DEMAND", "SPOT"}, n.CapacityType) {
		return invalidParameter("Invalid capacityType: %s", n.CapacityType)
	}
	if n.Version != c.Version && n.AmiType != "CUSTOM" {
		return invalidParameter("Requested Nodegroup release version and cluster version are not compatible: the "+
			"version of a new node group is that of its cluster, %s, not %s", c.Version, n.Version)
	}
	for _, id := range n.Subnets {
		sub, ok := s.Subnets[id]
		if !ok {
			return invalidParameter("The subnet ID '%s' does not exist", id)
		}
		if sub.VpcID != c.VpcID {
			return invalidParameter("Subnet %s is not in the VPC of the cluster", id)
		}
	}
	if len(n.Subnets) == 0 {
		return invalidParameter("Subnets cannot be empty")
	}
	if err := s.checkTypes(n); err != nil {
		return err
	}
	return n.check()
}

// check refuses a configuration that makes no sense.
func (n *Nodegroup) check() error {
	switch z := n.Scaling; {
	case z.MaxSize < 1:
		return invalidParameter("Maximum capacity must be greater than 0")
	case z.MinSize < 0 || z.MinSize > z.MaxSize:
		return invalidParameter("Minimum capacity %d can't be greater than maximum size %d", z.MinSize, z.MaxSize)
	case z.DesiredSize < z.MinSize:
		return invalidParameter("Minimum capacity %d can't be greater than desired size %d", z.MinSize, z.DesiredSize)
	case z.DesiredSize > z.MaxSize:
		return invalidParameter("Desired capacity %d can't be greater than max size %d", z.DesiredSize, z.MaxSize)
	}
	for _, t := range n.Taints {
		if t.KubernetesEffect() == "" {
			return invalidParameter("Invalid taint effect %q: it must be one of NO_SCHEDULE, NO_EXECUTE, PREFER_NO_SCHEDULE",
				t.Effect)
		}
	}
	for key := range n.Labels {
		if strings.HasPrefix(key, "eks.amazonaws.com/") || strings.HasPrefix(key, "kubernetes.io/") {
			return invalidParameter("Label cannot contain reserved prefixes [kubernetes.io/, k8s.io/, eks.amazonaws.com/]")
		}
	}
	if u := n.UpdateConfig; u.MaxUnavailable > 0 && u.MaxUnavailablePercentage > 0 {
		return invalidParameter("Only one of maxUnavailable and maxUnavailablePercentage may be given")
	}
	return nil
}

// checkTypes compares instance types, image and launch template.
func (s *State) checkTypes(n *Nodegroup) error {
	data, err := s.templateOf(n)
	if err != nil {
		return err
	}
	types := n.InstanceTypes
	switch {
	case len(types) > 0 && data.InstanceType != "":
		return invalidParameter("Cannot specify instance types in launch template and API request")
	case len(types) == 0:
		types = []string{data.InstanceType}
	case n.LaunchTemplate != nil && n.DiskSize > 0:
		return invalidParameter("Disk size must be specified within the launch template.")
	}
	if data.IamInstanceProfile.Arn+data.IamInstanceProfile.Name != "" {
		return invalidParameter("IAM instance profile cannot be specified in the launch template")
	}
	arch := "x86_64"
	if strings.Contains(n.AmiType, "_ARM_64") {
		arch = "arm64"
	}
	for _, name := range types {
		t, ok := LookupType(name)
		if !ok {
			return invalidParameter("The following supplied instance types do not exist: [%s]", name)
		}
		if t.Arch != arch && n.AmiType != "CUSTOM" {
			return invalidParameter("[%s] is not a valid instance type for requested amiType %s", name, n.AmiType)
		}
	}
	if n.AmiType == "CUSTOM" {
		return nil
	}
	_, err = s.nodegroupImage(n)
	return err
}

// templateOf is what the launch template says that the group has by now.
func (s *State) templateOf(n *Nodegroup) (LaunchTemplateData, error) {
	if n.LaunchTemplate == nil {
		return LaunchTemplateData{}, nil
	}
	_, version, err := s.TemplateVersion(LaunchTemplateRef{LaunchTemplateID: n.LaunchTemplate.ID,
		Version: n.LaunchTemplate.Version})
	if err != nil {
		return LaunchTemplateData{}, invalidParameter("Launch template %s version %s does not exist", n.LaunchTemplate.ID,
			n.LaunchTemplate.Version)
	}
	return version.Data, nil
}

// amiTypes are the kinds of images that managed groups start from.
var amiTypes = map[string]Image{
	"AL2023_x86_64_STANDARD": {Arch: "x86_64"}, "AL2023_ARM_64_STANDARD": {Arch: "arm64"},
	"BOTTLEROCKET_x86_64": {Arch: "x86_64", OS: Bottlerocket}, "BOTTLEROCKET_ARM_64": {Arch: "arm64", OS: Bottlerocket},
}

// nodegroupImage is the EKS image that the group's nodes start from. A group that
// names no release gets the newest one, and keeps it.
func (s *State) nodegroupImage(n *Nodegroup) (Image, error) {
	kind, known := amiTypes[n.AmiType]
	if !known {
		return Image{}, invalidParameter("The sandbox has images of the AMI types %s, not %s",
			strings.Join(slices.Sorted(maps.Keys(amiTypes)), ", "), n.AmiType)
	}
	for _, i := range Images(s.Region) {
		if i.Version == n.Version && i.Arch == kind.Arch && i.OS == kind.OS && (n.ReleaseVersion == "" && i.Newest || i.Release == n.ReleaseVersion) {
			n.ReleaseVersion = i.Release
			return i, nil
		}
	}
	return Image{}, invalidParameter("Requested release version %s is not valid for kubernetes version %s.", n.ReleaseVersion, n.Version)
}

// nodegroupParts makes what EKS makes behind a group: the access entry of its
// role, an instance profile, a launch template and an Auto Scaling group.
func (s *State) nodegroupParts(n *Nodegroup, c *Cluster, id string, now time.Time) error {
	role := s.RoleByARN(n.NodeRole)
	entry := &AccessEntry{PrincipalArn: n.NodeRole, ClusterName: c.Name, Type: "EC2_LINUX"}
	if _, err := s.CreateAccessEntry(entry, now); err != nil && c.Access.AuthenticationMode != "CONFIG_MAP" && !IsKind(err, Exists) {
		return err
	}
	n.Profile = "eks-" + id
	if _, err := s.CreateProfile(&InstanceProfile{InstanceProfileName: n.Profile, Roles: []string{role.RoleName}}, now); err != nil {
		return err
	}
	template := &LaunchTemplate{LaunchTemplateName: "eks-" + id,
		Tags: Tags{{Key: "eks:cluster-name", Value: c.Name}, {Key: "eks:nodegroup-name", Value: n.NodegroupName}}}
	var err error
	if template.Data, err = s.nodegroupData(n, c); err != nil {
		return err
	}
	if n.Template, err = s.CreateLaunchTemplate(template, now); err != nil {
		return err
	}
	n.Launches = "1"
	_, err = s.CreateGroup(s.nodegroupGroup(n, c), now)
	return err
}

// Heartbeat of EKS's own lifecycle hooks, in seconds.
const nodegroupHeartbeat = 1800

// Names of EKS's own lifecycle hooks.
const (
	LaunchHook    = "Launch-LC-Hook"
	TerminateHook = "Terminate-LC-Hook"
)

func (s *State) nodegroupGroup(n *Nodegroup, c *Cluster) *Group {
	yes := true
	desired := Num(n.Scaling.DesiredSize)
	g := &Group{Name: n.Group, MinSize: Num(n.Scaling.MinSize), MaxSize: Num(n.Scaling.MaxSize), DesiredCapacity: &desired,
		Spot:    n.CapacityType == "SPOT",
		Subnets: n.Subnets, LaunchTemplate: LaunchTemplateRef{LaunchTemplateID: n.Template, Version: "1"},
		TerminationPolicies: []string{"AllocationStrategy", "OldestLaunchTemplate", "OldestInstance"},
		HealthCheckType:     "EC2", HealthCheckGracePeriod: 15,
		Hooks: []Hook{{LaunchHook, Launching, Continue, nodegroupHeartbeat},
			{TerminateHook, Terminating, Continue, nodegroupHeartbeat}}}
	for _, t := range [][2]string{{"eks:cluster-name", c.Name}, {"eks:nodegroup-name", n.NodegroupName},
		{"k8s.io/cluster-autoscaler/" + c.Name, "owned"}, {"k8s.io/cluster-autoscaler/enabled", "true"},
		{"kubernetes.io/cluster/" + c.Name, "owned"}} {
		g.Tags = append(g.Tags, Tag{Key: t[0], Value: t[1], Propagate: &yes})
	}
	return g
}

// ChangeNodegroup changes the configuration of a group: size, labels, taints and
// how it is updated. What takes time is done by package eks.
func (s *State) ChangeNodegroup(n *Nodegroup, want Nodegroup, params []Param, now time.Time) (*NodegroupUpdate, error) {
	if err := n.mayChange(); err != nil {
		return nil, err
	}
	next := *n
	next.Labels, next.Taints, next.Scaling, next.UpdateConfig = want.Labels, want.Taints, want.Scaling, want.UpdateConfig
	if err := next.check(); err != nil {
		return nil, err
	}
	u := NodegroupUpdate{ID: UUID(), Type: "ConfigUpdate", Status: "InProgress", Params: params, Created: now}
	for key := range n.Labels {
		if _, kept := next.Labels[key]; !kept {
			u.Gone = append(u.Gone, key)
		}
	}
	for _, t := range n.Taints {
		if !slices.ContainsFunc(next.Taints, func(o NodegroupTaint) bool { return o.Key == t.Key && o.Effect == t.Effect }) {
			u.Gone = append(u.Gone, t.Key+":"+t.KubernetesEffect())
		}
	}
	slices.Sort(u.Gone)
	if g, ok := s.Groups[n.Group]; ok {
		desired := Num(next.Scaling.DesiredSize)
		g.MinSize, g.MaxSize, g.DesiredCapacity = Num(next.Scaling.MinSize), Num(next.Scaling.MaxSize), &desired
	}
	dressed := !maps.Equal(n.Labels, next.Labels) || !slices.Equal(n.Taints, next.Taints)
	n.Labels, n.Taints, n.Scaling, n.UpdateConfig = next.Labels, next.Taints, next.Scaling, next.UpdateConfig
	if dressed && n.AmiType != "CUSTOM" {
		var err error
		if n.Launches, err = s.relaunch(n, n, now); err != nil {
			return nil, err
		}
	}
	n.begin(u, now)
	return n.Updating(), nil
}

func (n *Nodegroup) begin(u NodegroupUpdate, now time.Time) {
	n.Status, n.Modified = NodegroupUpdating, now
	n.Updates = append(n.Updates, u)
}

func (n *Nodegroup) mayChange() error {
	if n.Status != NodegroupActive && n.Status != NodegroupDegraded {
		return Errorf(Busy, "ResourceInUseException", "Nodegroup cannot be updated as it is currently not in Active State")
	}
	return nil
}

// UpgradeNodegroup begins to replace the nodes of a group by such of another
// version, release or launch template version.
func (s *State) UpgradeNodegroup(n *Nodegroup, want Nodegroup, params []Param, now time.Time) (*NodegroupUpdate, error) {
	if err := n.mayChange(); err != nil {
		return nil, err
	}
	next := *n
	next.Version, next.ReleaseVersion, next.LaunchTemplate = want.Version, want.ReleaseVersion, want.LaunchTemplate
	if err := s.upgradable(n, &next); err != nil {
		return nil, err
	}
	launches, err := s.relaunch(n, &next, now)
	if err != nil {
		return nil, err
	}
	n.begin(NodegroupUpdate{ID: UUID(), Type: "VersionUpdate", Status: "InProgress", Params: params, Created: now,
		Version: next.Version, Release: next.ReleaseVersion, Own: next.LaunchTemplate, Launches: launches,
		Force: want.ForceUpdate, Before: s.Shown(n).Scaling}, now)
	return n.Updating(), nil
}

// FinishUpdate ends the update under way. A new version is the group's from then on; one
// that failed is not, and the group launches again what it did before.
func (s *State) FinishUpdate(n *Nodegroup, errs []NodegroupIssue, now time.Time) {
	u := n.Updating()
	u.Status, u.Errors, u.Draining, n.Modified, n.Status = "Successful", errs, nil, now, NodegroupActive
	if len(errs) > 0 {
		u.Status = "Failed"
	}
	switch g := s.Groups[n.Group]; {
	case u.Type != "VersionUpdate":
	case u.Status == "Successful":
		n.Version, n.ReleaseVersion, n.LaunchTemplate, n.Launches = u.Version, u.Release, u.Own, u.Launches
	case g != nil:
		g.LaunchTemplate.Version = n.Launches
	}
}

// relaunch lets the nodes that the group launches from now on be of next, and
// returns the version of EKS's launch template which says so.
func (s *State) relaunch(n, next *Nodegroup, now time.Time) (string, error) {
	c, err := s.Cluster(n.ClusterName)
	if err != nil {
		return "", err
	}
	template := s.LaunchTemplates[n.Template]
	if template == nil {
		return "", Errorf(Invalid, "InvalidRequestException", "Launch template %s of the node group was not found", n.Template)
	}
	if template.Data, err = s.nodegroupData(next, c); err != nil {
		return "", err
	}
	if err := s.AddVersion(template, now); err != nil {
		return "", err
	}
	launches := fmt.Sprint(int(template.Latest))
	if g, ok := s.Groups[n.Group]; ok {
		g.LaunchTemplate.Version = launches
	}
	return launches, nil
}

// upgradable checks a new version, and fills in what follows from it.
func (s *State) upgradable(n, next *Nodegroup) error {
	c, err := s.Cluster(n.ClusterName)
	if err != nil {
		return err
	}
	if (n.LaunchTemplate == nil) != (next.LaunchTemplate == nil) {
		return invalidParameter("Cannot update a nodegroup from or to one without a launch template.")
	}
	data, err := s.nodegroupTemplate(next)
	if err != nil {
		return err
	}
	if (n.AmiType == "CUSTOM") != (data.ImageID != "") {
		return invalidParameter("Cannot update a nodegroup from or to a custom AMI.")
	}
	if data.ImageID != "" {
		next.AmiType = "CUSTOM"
		return s.customImage(next, data)
	}
	switch {
	case next.Version != c.Version && next.Version != n.Version:
		return invalidParameter("Nodegroup Kubernetes version %s is not that of the cluster, %s", next.Version, c.Version)
	case next.Version < n.Version:
		return invalidParameter("Nodegroup Kubernetes version cannot go back from %s to %s", n.Version, next.Version)
	case next.Version != n.Version && next.ReleaseVersion == n.ReleaseVersion:
		next.ReleaseVersion = ""
	}
	_, err = s.nodegroupImage(next)
	return err
}

// UpdateNodegroup is what the CloudFormation handler does with a changed model: it
// calls one of EKS's two updates, and refuses a change that takes both. Next is
// the group as it will be stored.
func (s *State) UpdateNodegroup(old, next *Nodegroup, now time.Time) error {
	want := *next
	moves := want.Version != old.Version || want.ReleaseVersion != old.ReleaseVersion || templateMoves(old, &want)
	config := !maps.Equal(want.Labels, old.Labels) || !slices.Equal(want.Taints, old.Taints) ||
		*s.Shown(old).Scaling != *want.Scaling || want.UpdateConfig != old.UpdateConfig
	next.Labels, next.Taints, next.Scaling, next.UpdateConfig = old.Labels, old.Taints, s.Shown(old).Scaling, old.UpdateConfig
	next.Version, next.ReleaseVersion, next.LaunchTemplate = old.Version, old.ReleaseVersion, old.LaunchTemplate
	next.ForceUpdate = false
	switch {
	case moves && config:
		return Errorf(Invalid, "InvalidRequestException", "A version update cannot be combined with other updates.")
	case moves:
		_, err := s.UpgradeNodegroup(next, want, nil, now)
		return err
	case config:
		_, err := s.ChangeNodegroup(next, want, nil, now)
		return err
	}
	return nil
}

func templateMoves(old, want *Nodegroup) bool {
	if old.LaunchTemplate == nil || want.LaunchTemplate == nil {
		return old.LaunchTemplate != want.LaunchTemplate
	}
	return old.LaunchTemplate.Version != want.LaunchTemplate.Version
}

// Shown is the group as it is read: its size is that of the Auto Scaling group,
// which others may have changed.
func (s *State) Shown(n *Nodegroup) *Nodegroup {
	shown := *n
	scaling := *n.Scaling
	if g, ok := s.Groups[n.Group]; ok && n.Status != NodegroupDeleting {
		scaling.DesiredSize = int(*g.DesiredCapacity)
	}
	shown.Scaling = &scaling
	return &shown
}

// DeleteNodegroup begins the end of a group: its size becomes 0, whatever runs on
// its nodes. Package eks does the rest.
func (s *State) DeleteNodegroup(n *Nodegroup) error {
	switch n.Status {
	case NodegroupDeleting:
		return nil
	case NodegroupUpdating:
		return Errorf(Busy, "ResourceInUseException", "Nodegroup %s is being updated", n.NodegroupName)
	}
	n.Status = NodegroupDeleting
	if g, ok := s.Groups[n.Group]; ok {
		zero := Num(0)
		g.MinSize, g.DesiredCapacity = 0, &zero
	}
	return nil
}

// RemoveNodegroup is the end of a group and of all that EKS made behind it. The
// last group of a role takes the role's access along, also that of nodes which
// are no managed group's.
func (s *State) RemoveNodegroup(n *Nodegroup) {
	delete(s.Groups, n.Group)
	delete(s.LaunchTemplates, n.Template)
	delete(s.Profiles, n.Profile)
	delete(s.Nodegroups, n.ID)
	for _, o := range s.Nodegroups {
		if o.NodeRole == n.NodeRole && o.ClusterName == n.ClusterName {
			return
		}
	}
	delete(s.AccessEntries, n.NodeRole+"|"+n.ClusterName)
}

// NodegroupIssues is what is wrong with a group: its parts are EKS's own, and
// whoever changes them past EKS degrades it. The desired size is everybody's.
func (s *State) NodegroupIssues(n *Nodegroup) []NodegroupIssue {
	var found []NodegroupIssue
	add := func(code, resource, format string, args ...any) {
		found = append(found, NodegroupIssue{Code: code, Message: fmt.Sprintf(format, args...), Resources: []string{resource}})
	}
	if s.RoleByARN(n.NodeRole) == nil {
		add("IamNodeRoleNotFound", n.NodeRole, "The node role %s was not found", n.NodeRole)
	}
	if _, ok := s.LaunchTemplates[n.Template]; !ok {
		add("Ec2LaunchTemplateNotFound", n.Template, "The launch template %s was not found", n.Template)
	}
	g, ok := s.Groups[n.Group]
	switch {
	case !ok:
		add("AutoScalingGroupNotFound", n.Group, "The Auto Scaling group %s was not found", n.Group)
		return found
	case g.LaunchTemplate.LaunchTemplateID != n.Template || g.LaunchTemplate.Version != n.Launches:
		add("Ec2LaunchTemplateVersionMismatch", n.Group, "The launch template of the Auto Scaling group is not the one that EKS made for it")
	case int(g.MinSize) != n.Scaling.MinSize || int(g.MaxSize) != n.Scaling.MaxSize:
		add("AutoScalingGroupInvalidConfiguration", n.Group, "The Auto Scaling group's sizes %d to %d are not those of the node group",
			int(g.MinSize), int(g.MaxSize))
	}
	if len(g.Activities) > 0 && g.Activities[0].Status == "Failed" {
		add("AsgInstanceLaunchFailures", n.Group, "%s", g.Activities[0].Message)
	}
	return found
}
