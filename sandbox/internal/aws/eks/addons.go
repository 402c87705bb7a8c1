package eks

import (
	"cmp"
	"slices"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

type addonIdentity struct {
	ServiceAccount string `json:"serviceAccount"`
	RoleArn        string `json:"roleArn"`
}

// addonRequest is what CreateAddon and UpdateAddon have in common.
type addonRequest struct {
	Version       string          `json:"addonVersion"`
	Role          string          `json:"serviceAccountRoleArn"`
	Conflicts     string          `json:"resolveConflicts"`
	Configuration string          `json:"configurationValues"`
	Identities    []addonIdentity `json:"podIdentityAssociations"`
	Token         string          `json:"clientRequestToken"`
}

// onto sets what the request says.
func (r addonRequest) onto(a *region.Addon) {
	a.Conflicts = r.Conflicts
	a.Version, a.Role, a.Configuration = cmp.Or(r.Version, a.Version), cmp.Or(r.Role, a.Role), cmp.Or(r.Configuration, a.Configuration)
	if r.Identities == nil {
		return
	}
	a.Identities = nil
	for _, i := range r.Identities {
		a.Identities = append(a.Identities, region.AddonIdentity(i))
	}
}

func (s *Service) createAddon(c call) (any, error) {
	var in struct {
		Name string            `json:"addonName"`
		Tags map[string]string `json:"tags"`
		addonRequest
	}
	if err := body(c.Request, &in); err != nil {
		return nil, err
	}
	a := &region.Addon{ClusterName: c.Vars[0], AddonName: in.Name, Tags: tagsOf(in.Tags)}
	in.onto(a)
	return s.update(func(st *region.State) (any, error) {
		claim := region.Claim{Operation: "eks CreateAddon", Token: in.Token, Fingerprint: c.Vars[0] + " " + in.Name + " " + in.Version}
		key, err := st.Once(claim, s.now(), "InvalidRequestException", func() (string, error) {
			return st.CreateAddon(a, region.Stamp(s.now()))
		})
		if err != nil {
			return nil, err
		}
		return object{"addon": showAddon(st, st.Addons[key])}, nil
	})
}

func (s *Service) listAddons(c call) (any, error) {
	return s.read(func(st *region.State) (any, error) {
		if _, err := st.Cluster(c.Vars[0]); err != nil {
			return nil, err
		}
		names := []string{}
		for _, a := range region.Sorted(st.Addons) {
			if a.ClusterName == c.Vars[0] {
				names = append(names, a.AddonName)
			}
		}
		names, next, err := page(c.Request, names)
		return listing("addons", names, next), err
	})
}

func (s *Service) describeAddon(c call) (any, error) {
	return s.read(func(st *region.State) (any, error) {
		a, err := st.Addon(c.Vars[0], c.Vars[1])
		if err != nil {
			return nil, err
		}
		return object{"addon": showAddon(st, a)}, nil
	})
}

func (s *Service) updateAddon(c call) (any, error) {
	var in addonRequest
	if err := body(c.Request, &in); err != nil {
		return nil, err
	}
	return s.once(c, in.Token, in, func(st *region.State) (string, error) {
		a, err := st.Addon(c.Vars[0], c.Vars[1])
		if err != nil {
			return "", err
		}
		next := *a
		next.Updates = slices.Clone(a.Updates)
		in.onto(&next)
		if err := st.UpdateAddon(a, &next, region.Stamp(s.now())); err != nil {
			return "", err
		}
		*a = next
		return a.Updates[len(a.Updates)-1].ID, nil
	}, func(st *region.State, id string) (any, error) {
		return addonUpdate(st, c.Vars[0], c.Vars[1], id)
	})
}

func (s *Service) deleteAddon(c call) (any, error) {
	return s.update(func(st *region.State) (any, error) {
		a, err := st.Addon(c.Vars[0], c.Vars[1])
		if err != nil {
			return nil, err
		}
		a.Preserve = c.URL.Query().Get("preserve") == "true"
		if err := st.DeleteAddon(a, region.Stamp(s.now())); err != nil {
			return nil, err
		}
		return object{"addon": showAddon(st, a)}, nil
	})
}

func showAddon(st *region.State, a *region.Addon) object {
	identities := []string{}
	for _, p := range region.Sorted(st.PodIdentities) {
		if p.OwnerArn == a.Arn {
			identities = append(identities, p.AssociationArn)
		}
	}
	o := object{"addonName": a.AddonName, "clusterName": a.ClusterName, "status": a.Status, "addonVersion": a.Version,
		"health": object{"issues": showAddonIssues(a.Issues)}, "addonArn": a.Arn, "createdAt": a.Created.Unix(), "modifiedAt": a.Modified.Unix(),
		"tags": tagMap(a.Tags), "podIdentityAssociations": identities, "owner": "aws", "publisher": "eks"}
	if a.Role != "" {
		o["serviceAccountRoleArn"] = a.Role
	}
	if a.Configuration != "" {
		o["configurationValues"] = a.Configuration
	}
	return o
}

func showAddonIssues(issues []region.AddonIssue) []object {
	list := []object{}
	for _, i := range issues {
		list = append(list, object{"code": i.Code, "message": i.Message, "resourceIds": i.Resources})
	}
	return list
}

func showAddonUpdate(u region.AddonUpdate) object {
	errs := []object{}
	for _, e := range u.Errors {
		errs = append(errs, object{"errorCode": e.Code, "errorMessage": e.Message, "resourceIds": e.Resources})
	}
	params := []object{{"type": "AddonVersion", "value": u.Version}}
	if u.Mode != "" {
		params = append(params, object{"type": "ResolveConflicts", "value": u.Mode})
	}
	return object{"id": u.ID, "status": u.Status, "type": "AddonUpdate", "params": params, "createdAt": u.Created.Unix(), "errors": errs}
}

// addonUpdate shows one update of an add-on.
func addonUpdate(st *region.State, cluster, name, id string) (any, error) {
	a, err := st.Addon(cluster, name)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(a.Updates, func(u region.AddonUpdate) bool { return u.ID == id })
	if at < 0 {
		return nil, region.Errorf(region.NotFound, "ResourceNotFoundException", "No update found for ID: %s", id)
	}
	return object{"update": showAddonUpdate(a.Updates[at])}, nil
}

// addonUpdates answers about the updates of an add-on: all of them, or the one that a path names.
func (s *Service) addonUpdates(c call, name string) (any, error) {
	return s.read(func(st *region.State) (any, error) {
		if len(c.Vars) > 1 {
			return addonUpdate(st, c.Vars[0], name, c.Vars[1])
		}
		a, err := st.Addon(c.Vars[0], name)
		if err != nil {
			return nil, err
		}
		ids := []string{}
		for _, u := range a.Updates {
			ids = append(ids, u.ID)
		}
		ids, next, err := page(c.Request, ids)
		return listing("updateIds", ids, next), err
	})
}

func (s *Service) addonVersions(c call) (any, error) {
	query := c.URL.Query()
	list := []object{}
	for _, k := range region.AddonKinds() {
		if name := query.Get("addonName"); name != "" && name != k.Name {
			continue
		}
		if types := query["types"]; len(types) > 0 && !slices.Contains(types, k.Type) {
			continue
		}
		if versions := showAddonVersions(k, query.Get("kubernetesVersion")); len(versions) > 0 {
			list = append(list, object{"addonName": k.Name, "type": k.Type, "owner": "aws", "publisher": "eks", "addonVersions": versions,
				"defaultNamespace": "kube-system"})
		}
	}
	list, next, err := page(c.Request, list)
	return listing("addons", list, next), err
}

// addonPolicies are what the service accounts of add-ons need.
var addonPolicies = map[string]string{
	"vpc-cni": "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy", "aws-ebs-csi-driver": "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy",
}

// addonSchema is of configurations that may say anything: the sandbox takes all, and
// acts on the one value that is here.
const addonSchema = `{"$schema":"http://json-schema.org/draft-06/schema#","type":"object","properties":{"replicaCount":{"type":"integer"}}}`

// addonConfiguration is what a version of an add-on can be told, and which roles it needs.
func (s *Service) addonConfiguration(c call) (any, error) {
	name, version := c.URL.Query().Get("addonName"), c.URL.Query().Get("addonVersion")
	kind, ok := region.LookupAddon(name)
	if !ok || !slices.ContainsFunc(kind.Versions, func(v region.AddonVersion) bool { return v.Version == version }) {
		return nil, invalid("Addon %s in version %q is not supported", name, version)
	}
	roles := []object{}
	if kind.Account != "" {
		roles = append(roles, object{"serviceAccount": kind.Account, "recommendedManagedPolicies": []string{addonPolicies[name]}})
	}
	return object{"addonName": name, "addonVersion": version, "configurationSchema": addonSchema, "podIdentityConfiguration": roles}, nil
}

// showAddonVersions lists those that go with a cluster's version; empty: with any.
func showAddonVersions(k region.AddonKind, cluster string) []object {
	list := []object{}
	for _, v := range k.Versions {
		goes := []object{}
		for _, minor := range v.Clusters {
			if cluster == "" || cluster == minor {
				goes = append(goes, object{"clusterVersion": minor, "platformVersions": []string{"*"},
					"defaultVersion": slices.Contains(v.Default, minor)})
			}
		}
		if len(goes) > 0 {
			list = append(list, object{"addonVersion": v.Version, "architecture": []string{"amd64", "arm64"}, "compatibilities": goes,
				"computeTypes": []string{"ec2"}, "requiresConfiguration": false, "requiresIamPermissions": k.Account != ""})
		}
	}
	return list
}

func (s *Service) createIdentity(c call) (any, error) {
	var in struct {
		Namespace string            `json:"namespace"`
		Account   string            `json:"serviceAccount"`
		Role      string            `json:"roleArn"`
		Target    string            `json:"targetRoleArn"`
		Tags      map[string]string `json:"tags"`
		Token     string            `json:"clientRequestToken"`
	}
	if err := body(c.Request, &in); err != nil {
		return nil, err
	}
	return s.update(func(st *region.State) (any, error) {
		claim := region.Claim{Operation: "eks CreatePodIdentityAssociation", Token: in.Token, Fingerprint: c.Vars[0] + " " + in.Namespace + "/" + in.Account}
		arn, err := st.Once(claim, s.now(), "InvalidRequestException", func() (string, error) {
			return st.CreatePodIdentity(&region.PodIdentity{ClusterName: c.Vars[0], Namespace: in.Namespace, ServiceAccount: in.Account,
				RoleArn: in.Role, TargetRoleArn: in.Target, Tags: tagsOf(in.Tags)}, region.Stamp(s.now()))
		})
		if err != nil {
			return nil, err
		}
		return object{"association": showIdentity(st.PodIdentities[arn])}, nil
	})
}

func (s *Service) listIdentities(c call) (any, error) {
	query := c.URL.Query()
	return s.read(func(st *region.State) (any, error) {
		if _, err := st.Cluster(c.Vars[0]); err != nil {
			return nil, err
		}
		list := []object{}
		for _, p := range region.Sorted(st.PodIdentities) {
			namespace, account := query.Get("namespace"), query.Get("serviceAccount")
			if p.ClusterName == c.Vars[0] && (namespace == "" || namespace == p.Namespace) && (account == "" || account == p.ServiceAccount) {
				o := showIdentity(p)
				list = append(list, object{"clusterName": p.ClusterName, "namespace": p.Namespace, "serviceAccount": p.ServiceAccount,
					"associationArn": p.AssociationArn, "associationId": p.AssociationID, "ownerArn": o["ownerArn"]})
			}
		}
		list, next, err := page(c.Request, list)
		return listing("associations", list, next), err
	})
}

// withIdentity does something about the association that a path names.
func (s *Service) withIdentity(c call, f func(*region.State, *region.PodIdentity) error) (any, error) {
	return s.update(func(st *region.State) (any, error) {
		p, err := identityOf(st, c)
		if err != nil {
			return nil, err
		}
		err = f(st, p)
		return object{"association": showIdentity(p)}, err
	})
}

// identityOf is the association that a path names.
func identityOf(st *region.State, c call) (*region.PodIdentity, error) {
	if _, err := st.Cluster(c.Vars[0]); err != nil {
		return nil, err
	}
	for _, p := range st.PodIdentities {
		if p.ClusterName == c.Vars[0] && p.AssociationID == c.Vars[1] {
			return p, nil
		}
	}
	return nil, region.Errorf(region.NotFound, "ResourceNotFoundException", "Association not found: %s", c.Vars[1])
}

func (s *Service) describeIdentity(c call) (any, error) {
	return s.withIdentity(c, func(*region.State, *region.PodIdentity) error { return nil })
}

func (s *Service) updateIdentity(c call) (any, error) {
	var in struct {
		Role   string `json:"roleArn"`
		Target string `json:"targetRoleArn"`
		Token  string `json:"clientRequestToken"`
	}
	if err := body(c.Request, &in); err != nil {
		return nil, err
	}
	return s.once(c, in.Token, in, func(st *region.State) (string, error) {
		p, err := identityOf(st, c)
		if err != nil {
			return "", err
		}
		next := *p
		if in.Role != "" {
			next.RoleArn = in.Role
		}
		next.TargetRoleArn = in.Target
		if err := st.UpdatePodIdentity(p, &next, region.Stamp(s.now())); err != nil {
			return "", err
		}
		*p = next
		return p.AssociationID, nil
	}, func(st *region.State, _ string) (any, error) {
		p, err := identityOf(st, c)
		if err != nil {
			return nil, err
		}
		return object{"association": showIdentity(p)}, nil
	})
}

func (s *Service) deleteIdentity(c call) (any, error) {
	return s.withIdentity(c, (*region.State).DeletePodIdentity)
}

func showIdentity(p *region.PodIdentity) object {
	o := object{"clusterName": p.ClusterName, "namespace": p.Namespace, "serviceAccount": p.ServiceAccount, "roleArn": p.RoleArn,
		"associationArn": p.AssociationArn, "associationId": p.AssociationID, "tags": tagMap(p.Tags), "createdAt": p.Created.Unix(),
		"modifiedAt": p.Modified.Unix(), "disableSessionTags": false}
	for key, text := range map[string]string{"ownerArn": p.OwnerArn, "targetRoleArn": p.TargetRoleArn} {
		if text != "" {
			o[key] = text
		}
	}
	return o
}
