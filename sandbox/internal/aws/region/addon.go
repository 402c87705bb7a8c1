package region

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Addon is AWS::EKS::Addon.
type Addon struct {
	ClusterName   string
	AddonName     string
	Arn           string
	Version       string                     `json:"AddonVersion"`
	Conflicts     string                     `json:"ResolveConflicts,omitempty"` // NONE, OVERWRITE, PRESERVE; as last asked
	Preserve      bool                       `json:"PreserveOnDelete,omitempty"`
	Role          string                     `json:"ServiceAccountRoleArn,omitempty"`
	Configuration string                     `json:"ConfigurationValues,omitempty"`
	Identities    []AddonIdentity            `json:"PodIdentityAssociations,omitempty"`
	Namespace     struct{ Namespace string } `json:"NamespaceConfig,omitzero"`
	Tags          Tags                       `json:",omitempty"`

	Status   string // CREATING, ACTIVE, CREATE_FAILED, UPDATING, UPDATE_FAILED, DELETING, DEGRADED
	Since    time.Time
	Before   string       `json:",omitempty"` // the version that an update replaces
	Issues   []AddonIssue `json:",omitempty"`
	Created  time.Time
	Modified time.Time
	Updates  []AddonUpdate `json:",omitempty"` // oldest first
}

// All states of an add-on.
const (
	AddonCreating     = "CREATING"
	AddonActive       = "ACTIVE"
	AddonCreateFailed = "CREATE_FAILED"
	AddonUpdating     = "UPDATING"
	AddonUpdateFailed = "UPDATE_FAILED"
	AddonDeleting     = "DELETING"
	AddonDegraded     = "DEGRADED"
)

// AddonIdentity asks for a pod identity association of the add-on's own.
type AddonIdentity struct {
	ServiceAccount string
	RoleArn        string
}

// AddonIssue is what is wrong with an add-on.
type AddonIssue struct {
	Code      string
	Message   string
	Resources []string `json:",omitempty"`
}

// AddonUpdate is a change of an add-on.
type AddonUpdate struct {
	ID      string
	Version string
	Mode    string
	Status  string // InProgress, Successful, Failed
	Created time.Time
	Errors  []AddonIssue `json:",omitempty"`
}

// AddonVersion is one that EKS offers.
type AddonVersion struct {
	Version  string
	Clusters []string // minor versions of Kubernetes that it goes with
	Default  []string // those whose default it is
}

// AddonKind is an add-on that EKS offers.
type AddonKind struct {
	Name, Type, Account string
	Versions            []AddonVersion // newest first
}

// AddonKinds are the add-ons that the sandbox knows, in the versions that it made up for
// them: the patch numbers are not those of AWS.
func AddonKinds() []AddonKind {
	var proxies []AddonVersion
	for k, minor := range slices.Backward([]string{"1.33", "1.34", "1.35", "1.36"}) {
		goes := []string{"1.33", "1.34", "1.35", "1.36"}[k:]
		proxies = append(proxies,
			AddonVersion{Version: "v" + minor + ".3-eksbuild.2", Clusters: goes},
			AddonVersion{Version: "v" + minor + ".1-eksbuild.1", Clusters: goes, Default: []string{minor}})
	}
	all := []string{"1.33", "1.34", "1.35", "1.36"}
	return []AddonKind{
		{"aws-ebs-csi-driver", "storage", "ebs-csi-controller-sa", []AddonVersion{
			{Version: "v1.56.0-eksbuild.1", Clusters: all, Default: []string{"1.36"}}, {Version: "v1.53.0-eksbuild.1", Clusters: all, Default: all[:3]}}},
		{"coredns", "networking", "", []AddonVersion{
			{Version: "v1.13.2-eksbuild.4", Clusters: all[1:]}, {Version: "v1.13.2-eksbuild.1", Clusters: all[1:], Default: []string{"1.36"}},
			{Version: "v1.12.4-eksbuild.1", Clusters: all[:3], Default: all[:3]}}},
		{"eks-pod-identity-agent", "security", "", []AddonVersion{
			{Version: "v1.3.10-eksbuild.2", Clusters: all, Default: []string{"1.36"}}, {Version: "v1.3.9-eksbuild.3", Clusters: all, Default: all[:3]}}},
		{"kube-proxy", "networking", "", proxies},
		{"vpc-cni", "networking", "aws-node", []AddonVersion{
			{Version: "v1.21.1-eksbuild.3", Clusters: all}, {Version: "v1.21.1-eksbuild.1", Clusters: all, Default: []string{"1.36"}},
			{Version: "v1.20.5-eksbuild.1", Clusters: all[:3], Default: all[:3]}}},
	}
}

// LookupAddon finds an add-on that EKS offers.
func LookupAddon(name string) (AddonKind, bool) {
	for _, k := range AddonKinds() {
		if k.Name == name {
			return k, true
		}
	}
	return AddonKind{}, false
}

// version checks the one that is asked for, or finds the default of a cluster's version.
func (k AddonKind) version(asked, cluster string) (string, error) {
	for _, v := range k.Versions {
		switch {
		case asked == "" && slices.Contains(v.Default, cluster):
			return v.Version, nil
		case asked == v.Version && slices.Contains(v.Clusters, cluster):
			return asked, nil
		}
	}
	return "", Errorf(Invalid, "InvalidParameterException", "Addon version specified is not supported")
}

// CreateAddon begins an add-on. Package eks brings it about in the cluster.
func (s *State) CreateAddon(a *Addon, now time.Time) (string, error) {
	c, err := s.Cluster(a.ClusterName)
	if err != nil {
		return "", err
	}
	if c.Status != "ACTIVE" {
		return "", Errorf(Busy, "InvalidRequestException", "Cluster %s is not in ACTIVE state", c.Name)
	}
	kind, known := LookupAddon(a.AddonName)
	if !known {
		return "", Errorf(Invalid, "InvalidParameterException", "Addon %s specified is not supported in %s kubernetes version", a.AddonName, c.Version)
	}
	key := a.ClusterName + "|" + a.AddonName
	if _, ok := s.Addons[key]; ok {
		return "", Errorf(Exists, "ResourceInUseException", "Addon already exists.")
	}
	if a.Version, err = kind.version(a.Version, c.Version); err != nil {
		return "", err
	}
	if err := s.checkAddon(a); err != nil {
		return "", err
	}
	a.Arn = s.ARN("eks", fmt.Sprintf("addon/%s/%s/%08x-0000-4000-8000-%012x", a.ClusterName, a.AddonName, hash(key)>>32, hash(key)&0xffffffffffff))
	a.Status, a.Since, a.Created, a.Modified = AddonCreating, now, now, now
	s.Addons[key] = a
	return key, s.identify(a, now)
}

func (s *State) checkAddon(a *Addon) error {
	switch a.Conflicts {
	case "", "NONE", "OVERWRITE", "PRESERVE":
	default:
		return Errorf(Invalid, "InvalidParameterException", "%s is not a way to resolve conflicts", a.Conflicts)
	}
	if a.Configuration != "" && !json.Valid([]byte(a.Configuration)) {
		return Errorf(Invalid, "InvalidParameterException", "ConfigurationValue provided in request is not supported: it is not JSON, which is all that the sandbox reads")
	}
	if a.Role != "" && s.RoleByARN(a.Role) == nil {
		return Errorf(Invalid, "InvalidParameterException", "The specified serviceAccountRoleArn does not exist: %s", a.Role)
	}
	for _, i := range a.Identities {
		if s.RoleByARN(i.RoleArn) == nil {
			return Errorf(Invalid, "InvalidParameterException", "Role provided in the request does not exist: %s", i.RoleArn)
		}
	}
	return nil
}

// Addon finds an add-on of a cluster.
func (s *State) Addon(cluster, name string) (*Addon, error) {
	if _, err := s.Cluster(cluster); err != nil {
		return nil, err
	}
	if a, ok := s.Addons[cluster+"|"+name]; ok {
		return a, nil
	}
	return nil, Errorf(NotFound, "ResourceNotFoundException", "No addon: %s found in cluster: %s", name, cluster)
}

// UpdateAddon begins a change: want is the add-on as it shall be.
func (s *State) UpdateAddon(old, want *Addon, now time.Time) error {
	c, err := s.Cluster(old.ClusterName)
	if err != nil {
		return err
	}
	if old.Status == AddonCreating || old.Status == AddonUpdating || old.Status == AddonDeleting {
		return Errorf(Busy, "ResourceInUseException", "Addon %s cannot be updated as it is currently in %s state", old.AddonName, old.Status)
	}
	kind, _ := LookupAddon(old.AddonName)
	if want.Version == "" {
		want.Version = old.Version
	}
	if want.Version != old.Version {
		if want.Version, err = kind.version(want.Version, c.Version); err != nil {
			return err
		}
	}
	if err := s.checkAddon(want); err != nil {
		return err
	}
	want.Before, want.Status, want.Since, want.Modified, want.Issues = old.Version, AddonUpdating, now, now, nil
	want.Updates = append(want.Updates, AddonUpdate{ID: UUID(), Version: want.Version, Mode: want.Conflicts, Status: "InProgress", Created: now})
	return s.identify(want, now)
}

// DeleteAddon begins the end of an add-on.
func (s *State) DeleteAddon(a *Addon, now time.Time) error {
	if a.Status == AddonCreating || a.Status == AddonUpdating {
		return Errorf(Busy, "ResourceInUseException", "Addon %s cannot be deleted as it is currently in %s state", a.AddonName, a.Status)
	}
	if a.Status != AddonDeleting {
		a.Status, a.Since = AddonDeleting, now
	}
	return nil
}

// SettleAddon ends what is under way with an add-on.
func (s *State) SettleAddon(a *Addon, status string, issues []AddonIssue, now time.Time) {
	a.Status, a.Issues, a.Modified = status, issues, now
	if k := len(a.Updates) - 1; k >= 0 && a.Updates[k].Status == "InProgress" {
		a.Updates[k].Status = "Successful"
		if status == AddonUpdateFailed {
			a.Updates[k].Status, a.Updates[k].Errors = "Failed", issues
		}
	}
}

// RemoveAddon is the end of an add-on, and of what lets its pods be somebody.
func (s *State) RemoveAddon(a *Addon) {
	delete(s.Addons, a.ClusterName+"|"+a.AddonName)
	for arn, p := range s.PodIdentities {
		if p.OwnerArn == a.Arn {
			delete(s.PodIdentities, arn)
		}
	}
}

// identify makes the associations that an add-on asks for, and ends those that it
// does not ask for any more.
func (s *State) identify(a *Addon, now time.Time) error {
	have := map[AddonIdentity]bool{}
	for arn, p := range s.PodIdentities {
		if p.OwnerArn != a.Arn {
			continue
		}
		one := AddonIdentity{ServiceAccount: p.ServiceAccount, RoleArn: p.RoleArn}
		if have[one] = slices.Contains(a.Identities, one); !have[one] {
			delete(s.PodIdentities, arn)
		}
	}
	for _, i := range a.Identities {
		if have[i] {
			continue
		}
		_, err := s.CreatePodIdentity(&PodIdentity{ClusterName: a.ClusterName, Namespace: "kube-system", ServiceAccount: i.ServiceAccount,
			RoleArn: i.RoleArn, OwnerArn: a.Arn}, now)
		if err != nil {
			return err
		}
	}
	return nil
}

// PodIdentity is AWS::EKS::PodIdentityAssociation: the role that the pods of a service account have.
type PodIdentity struct {
	AssociationArn string
	AssociationID  string `json:"AssociationId"`
	ClusterName    string
	Namespace      string
	ServiceAccount string
	RoleArn        string
	TargetRoleArn  string `json:",omitempty"`
	Tags           Tags   `json:",omitempty"`
	Rest           Rest   `json:",omitempty"`

	OwnerArn string `json:",omitempty"` // the add-on that it was made for
	Created  time.Time
	Modified time.Time
}

// CreatePodIdentity gives a service account a role. The sandbox's pods get no
// credentials by it.
func (s *State) CreatePodIdentity(p *PodIdentity, now time.Time) (string, error) {
	if _, err := s.Cluster(p.ClusterName); err != nil {
		return "", err
	}
	if p.Namespace == "" || p.ServiceAccount == "" {
		return "", Errorf(Invalid, "InvalidParameterException", "namespace and serviceAccount are required")
	}
	if err := s.checkPodIdentity(p); err != nil {
		return "", err
	}
	for _, o := range s.PodIdentities {
		if o.ClusterName == p.ClusterName && o.Namespace == p.Namespace && o.ServiceAccount == p.ServiceAccount {
			return "", Errorf(Exists, "ResourceInUseException", "Association already exists: %s", o.AssociationID)
		}
	}
	p.AssociationID = "a-" + randomHex(17)
	p.AssociationArn = s.ARN("eks", "podidentityassociation/"+p.ClusterName+"/"+p.AssociationID)
	p.Created, p.Modified = now, now
	s.PodIdentities[p.AssociationArn] = p
	return p.AssociationArn, nil
}

func (s *State) checkPodIdentity(p *PodIdentity) error {
	role := s.RoleByARN(p.RoleArn)
	if role == nil {
		return Errorf(Invalid, "InvalidParameterException", "Role provided in the request does not exist.")
	}
	trust := string(role.AssumeRolePolicyDocument)
	if !strings.Contains(trust, "pods.eks.amazonaws.com") || !strings.Contains(trust, "sts:AssumeRole") || !strings.Contains(trust, "sts:TagSession") {
		return Errorf(Invalid, "InvalidParameterException", "Trust policy of role %s is not valid: it must let pods.eks.amazonaws.com do sts:AssumeRole and sts:TagSession", p.RoleArn)
	}
	return nil
}

// UpdatePodIdentity gives the service account another role.
func (s *State) UpdatePodIdentity(old, p *PodIdentity, now time.Time) error {
	if old.OwnerArn != "" {
		return Errorf(Invalid, "InvalidRequestException", "The association is owned by %s and changes with it", old.OwnerArn)
	}
	p.Modified = now
	return s.checkPodIdentity(p)
}

// DeletePodIdentity takes the role from the service account.
func (s *State) DeletePodIdentity(p *PodIdentity) error {
	if p.OwnerArn != "" {
		return Errorf(Invalid, "InvalidRequestException", "The association is owned by %s and goes with it", p.OwnerArn)
	}
	delete(s.PodIdentities, p.AssociationArn)
	return nil
}
