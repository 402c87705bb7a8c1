package eks

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// networkConfig is resourcesVpcConfig of a request; nil is what it does not say.
type networkConfig struct {
	SubnetIDs        []string `json:"subnetIds"`
	SecurityGroupIDs []string `json:"securityGroupIds"`
	PublicAccess     *bool    `json:"endpointPublicAccess"`
	PrivateAccess    *bool    `json:"endpointPrivateAccess"`
	PublicCIDRs      []string `json:"publicAccessCidrs"`
}

// loggingConfig is logging of a request.
type loggingConfig struct {
	ClusterLogging []struct {
		Types   []string `json:"types"`
		Enabled *bool    `json:"enabled"`
	} `json:"clusterLogging"`
}

// apply turns kinds of logs on and off.
func (c *loggingConfig) apply(to *region.Cluster) error {
	if c == nil {
		return nil
	}
	on := map[string]bool{}
	if to.Logging != nil {
		for _, t := range to.Logging.ClusterLogging.EnabledTypes {
			on[t.Type] = true
		}
	}
	for _, setup := range c.ClusterLogging {
		for _, kind := range setup.Types {
			if !slices.Contains(logKinds, kind) {
				return invalid("The log type %s is invalid. It must be one of %s", kind, strings.Join(logKinds, ", "))
			}
			on[kind] = setup.Enabled != nil && *setup.Enabled
		}
	}
	to.Logging = &region.ClusterLogging{}
	for _, kind := range logKinds {
		if on[kind] {
			to.Logging.ClusterLogging.EnabledTypes = append(to.Logging.ClusterLogging.EnabledTypes, struct{ Type string }{kind})
		}
	}
	return nil
}

var logKinds = []string{"api", "audit", "authenticator", "controllerManager", "scheduler"}

// ignored are properties that are accepted and have no effect.
type ignored struct {
	UpgradePolicy    json.RawMessage `json:"upgradePolicy"`
	SelfManagedAddon *bool           `json:"bootstrapSelfManagedAddons"`
	ZonalShift       json.RawMessage `json:"zonalShiftConfig"`
}

// clusterName is what EKS allows.
var clusterName = regexp.MustCompile(`^[0-9A-Za-z][A-Za-z0-9\-_]{0,99}$`)

func (s *Service) createCluster(c call) (any, error) {
	var in struct {
		Name       string        `json:"name"`
		Version    string        `json:"version"`
		Role       string        `json:"roleArn"`
		Network    networkConfig `json:"resourcesVpcConfig"`
		Kubernetes struct {
			IPFamily string `json:"ipFamily"`
			CIDR     string `json:"serviceIpv4Cidr"`
		} `json:"kubernetesNetworkConfig"`
		Logging *loggingConfig    `json:"logging"`
		Token   string            `json:"clientRequestToken"`
		Tags    map[string]string `json:"tags"`
		Access  struct {
			Bootstrap *bool  `json:"bootstrapClusterCreatorAdminPermissions"`
			Mode      string `json:"authenticationMode"`
		} `json:"accessConfig"`
		Protection *bool `json:"deletionProtection"`
		Encryption []struct {
			Resources []string `json:"resources"`
			Provider  struct {
				KeyArn string `json:"keyArn"`
			} `json:"provider"`
		} `json:"encryptionConfig"`
		ignored
	}
	if err := body(c.Request, &in); err != nil {
		return nil, err
	}
	if !clusterName.MatchString(in.Name) {
		return nil, invalid("The cluster name %q is invalid: letters, digits, hyphens and underscores, 100 at most", in.Name)
	}
	if in.Kubernetes.CIDR != "" && in.Kubernetes.CIDR != region.ServiceCIDR {
		return nil, invalid("serviceIpv4Cidr: the sandbox's Services are in %s", region.ServiceCIDR)
	}
	want := &region.Cluster{Name: in.Name, Version: in.Version, RoleArn: in.Role, Tags: tagsOf(in.Tags),
		Creator: wire.CallerOf(c.Context()).Principal(), DeletionProtection: in.Protection != nil && *in.Protection}
	want.Network = region.ClusterNetwork{SubnetIDs: in.Network.SubnetIDs, SecurityGroupIDs: in.Network.SecurityGroupIDs,
		PublicAccess: in.Network.PublicAccess, PrivateAccess: in.Network.PrivateAccess, PublicCIDRs: in.Network.PublicCIDRs}
	want.Kubernetes.IPFamily = in.Kubernetes.IPFamily
	for _, e := range in.Encryption {
		one := region.Encryption{Resources: e.Resources}
		one.Provider.KeyArn = e.Provider.KeyArn
		want.Encryption = append(want.Encryption, one)
	}
	want.Access.AuthenticationMode, want.Access.BootstrapAdmin = in.Access.Mode, in.Access.Bootstrap
	if err := in.Logging.apply(want); err != nil {
		return nil, err
	}
	return s.update(func(st *region.State) (any, error) {
		claim := region.Claim{Operation: "eks CreateCluster", Token: in.Token, Fingerprint: in.Name + " " + in.Role}
		name, err := st.Once(claim, s.now(), "InvalidRequestException", func() (string, error) {
			return st.CreateCluster(want, region.Stamp(s.now()))
		})
		if err != nil {
			return nil, err
		}
		made, err := st.Cluster(name)
		if err != nil {
			return nil, err
		}
		return object{"cluster": showCluster(made)}, nil
	})
}

func (s *Service) listClusters(c call) (any, error) {
	names := []string{}
	s.store.View(func(st *region.State) {
		for _, c := range region.Sorted(st.Clusters) {
			names = append(names, c.Name)
		}
	})
	names, next, err := page(c.Request, names)
	return listing("clusters", names, next), err
}

func (s *Service) describeCluster(c call) (any, error) {
	return s.read(func(st *region.State) (any, error) {
		cluster, err := st.Cluster(c.Vars[0])
		if err != nil {
			return nil, err
		}
		return object{"cluster": showCluster(cluster)}, nil
	})
}

func (s *Service) deleteCluster(c call) (any, error) {
	return s.update(func(st *region.State) (any, error) {
		cluster, err := st.Cluster(c.Vars[0])
		if err != nil {
			return nil, err
		}
		err = st.DeleteCluster(cluster)
		return object{"cluster": showCluster(cluster)}, err
	})
}

// updateClusterConfig changes one thing at a time, as EKS wants it. It takes no
// time: the answer says InProgress, and who asks again hears that it was successful.
func (s *Service) updateClusterConfig(c call) (any, error) {
	var in struct {
		Network *networkConfig `json:"resourcesVpcConfig"`
		Logging *loggingConfig `json:"logging"`
		Access  *struct {
			Mode string `json:"authenticationMode"`
		} `json:"accessConfig"`
		Protection *bool  `json:"deletionProtection"`
		Token      string `json:"clientRequestToken"`
		ignored
	}
	if err := body(c.Request, &in); err != nil {
		return nil, err
	}
	return s.once(c, in.Token, in, func(st *region.State) (string, error) {
		cluster, err := active(st, c.Vars[0])
		if err != nil {
			return "", err
		}
		switch {
		case in.Logging != nil:
			err = in.Logging.apply(cluster)
			return s.updated(cluster, "LoggingUpdate", err)
		case in.Access != nil:
			err = cluster.SetAuthenticationMode(in.Access.Mode)
			return s.updated(cluster, "AccessConfigUpdate", err)
		case in.Network != nil:
			in.Network.apply(cluster)
			return s.updated(cluster, "EndpointAccessUpdate", cluster.Network.Check())
		case in.Protection != nil:
			cluster.DeletionProtection = *in.Protection
			return s.updated(cluster, "DeletionProtectionUpdate", nil)
		}
		return "", invalid("No changes needed for the cluster: the request says nothing that the sandbox implements")
	}, func(st *region.State, id string) (any, error) {
		return begun(st, c.Vars[0], id)
	})
}

func (n networkConfig) apply(to *region.Cluster) {
	if n.PublicAccess != nil {
		to.Network.PublicAccess = n.PublicAccess
	}
	if n.PrivateAccess != nil {
		to.Network.PrivateAccess = n.PrivateAccess
	}
	if n.PublicCIDRs != nil {
		to.Network.PublicCIDRs = n.PublicCIDRs
	}
}

// updateClusterVersion begins an upgrade, which the Operator carries out.
func (s *Service) updateClusterVersion(c call) (any, error) {
	var in struct {
		Version string `json:"version"`
		Token   string `json:"clientRequestToken"`
		Force   bool   `json:"force"`
	}
	if err := body(c.Request, &in); err != nil {
		return nil, err
	}
	return s.once(c, in.Token, in, func(st *region.State) (string, error) {
		cluster, err := active(st, c.Vars[0])
		if err != nil {
			return "", err
		}
		u, err := cluster.Upgrade(in.Version, region.Stamp(s.now()))
		return u.ID, err
	}, func(st *region.State, id string) (any, error) {
		return showUpdateOf(st, c.Vars[0], id)
	})
}

// active finds a cluster that can be changed.
func active(st *region.State, name string) (*region.Cluster, error) {
	c, err := st.Cluster(name)
	if err != nil {
		return nil, err
	}
	if c.Status != "ACTIVE" {
		return nil, region.Errorf(region.Busy, "ResourceInUseException", "Cluster %s is %s", name, c.Status)
	}
	return c, nil
}

// updated remembers an update of a cluster.
func (s *Service) updated(c *region.Cluster, kind string, err error) (string, error) {
	if err != nil {
		return "", err
	}
	u := region.ClusterUpdate{ID: region.UUID(), Type: kind, Created: region.Stamp(s.now())}
	c.Updates = append(c.Updates, u)
	return u.ID, nil
}

// begun shows an update as whoever asked for it is told.
func begun(st *region.State, name, id string) (any, error) {
	cluster, err := st.Cluster(name)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(cluster.Updates, func(u region.ClusterUpdate) bool { return u.ID == id })
	if at < 0 {
		return nil, region.Errorf(region.NotFound, "ResourceNotFoundException", "No update found for ID: %s", id)
	}
	return object{"update": showClusterUpdate(cluster.Updates[at], "InProgress")}, nil
}

func showClusterUpdate(u region.ClusterUpdate, status string) object {
	params := []any{}
	if u.Version != "" {
		params = append(params, object{"type": "Version", "value": u.Version}, object{"type": "PlatformVersion", "value": "eks.1"})
	}
	return object{"id": u.ID, "status": status, "type": u.Type, "params": params, "createdAt": u.Created.Unix(), "errors": []any{}}
}

// showUpdateOf shows an update of a cluster. That of its version goes on until the
// cluster has it, all others were over at once.
func showUpdateOf(st *region.State, name, id string) (any, error) {
	cluster, err := st.Cluster(name)
	if err != nil {
		return nil, err
	}
	for _, u := range cluster.Updates {
		switch {
		case u.ID == id && u.Version != "" && u.Version == cluster.Next:
			return object{"update": showClusterUpdate(u, "InProgress")}, nil
		case u.ID == id:
			return object{"update": showClusterUpdate(u, "Successful")}, nil
		}
	}
	return nil, region.Errorf(region.NotFound, "ResourceNotFoundException", "No update found for ID: %s", id)
}

func (s *Service) listUpdates(c call) (any, error) {
	if name := c.URL.Query().Get("nodegroupName"); name != "" {
		return s.nodegroupUpdates(c, name)
	}
	if name := c.URL.Query().Get("addonName"); name != "" {
		return s.addonUpdates(c, name)
	}
	return s.read(func(st *region.State) (any, error) {
		cluster, err := st.Cluster(c.Vars[0])
		if err != nil {
			return nil, err
		}
		ids := []string{}
		for _, u := range cluster.Updates {
			ids = append(ids, u.ID)
		}
		ids, next, err := page(c.Request, ids)
		return listing("updateIds", ids, next), err
	})
}

func (s *Service) describeUpdate(c call) (any, error) {
	if name := c.URL.Query().Get("nodegroupName"); name != "" {
		return s.nodegroupUpdates(c, name)
	}
	if name := c.URL.Query().Get("addonName"); name != "" {
		return s.addonUpdates(c, name)
	}
	return s.read(func(st *region.State) (any, error) { return showUpdateOf(st, c.Vars[0], c.Vars[1]) })
}

// empty answers lists of what cannot exist here.
func (s *Service) empty(key string) func(call) (any, error) {
	return func(c call) (any, error) {
		return s.read(func(st *region.State) (any, error) {
			if _, err := st.Cluster(c.Vars[0]); err != nil {
				return nil, err
			}
			list, next, err := page(c.Request, []any{})
			return listing(key, list, next), err
		})
	}
}

// tagsAt finds the tags of what has the ARN.
func tagsAt(st *region.State, arn string) (*region.Tags, error) {
	for _, c := range st.Clusters {
		if c.Arn == arn {
			return &c.Tags, nil
		}
	}
	for _, e := range st.AccessEntries {
		if e.AccessEntryArn == arn {
			return &e.Tags, nil
		}
	}
	for _, a := range st.Addons {
		if a.Arn == arn {
			return &a.Tags, nil
		}
	}
	for _, p := range st.PodIdentities {
		if p.AssociationArn == arn {
			return &p.Tags, nil
		}
	}
	return nil, region.Errorf(region.NotFound, "NotFoundException", "Resource not found: %s", arn)
}

func (s *Service) listTags(c call) (any, error) {
	return s.read(func(st *region.State) (any, error) {
		tags, err := tagsAt(st, c.Vars[0])
		if err != nil {
			return nil, err
		}
		return object{"tags": tagMap(*tags)}, nil
	})
}

func (s *Service) tag(c call) (any, error) {
	var in struct {
		Tags map[string]string `json:"tags"`
	}
	if err := body(c.Request, &in); err != nil {
		return nil, err
	}
	return s.update(func(st *region.State) (any, error) {
		tags, err := tagsAt(st, c.Vars[0])
		if err != nil {
			return nil, err
		}
		for _, t := range tagsOf(in.Tags) {
			tags.Set(t)
		}
		return object{}, nil
	})
}

func (s *Service) untag(c call) (any, error) {
	return s.update(func(st *region.State) (any, error) {
		tags, err := tagsAt(st, c.Vars[0])
		if err != nil {
			return nil, err
		}
		for _, key := range c.URL.Query()["tagKeys"] {
			tags.Remove(key, nil)
		}
		return object{}, nil
	})
}

func showCluster(c *region.Cluster) object {
	logging := object{"types": []string{}, "enabled": false}
	if c.Logging != nil {
		kinds := []string{}
		for _, t := range c.Logging.ClusterLogging.EnabledTypes {
			kinds = append(kinds, t.Type)
		}
		logging = object{"types": kinds, "enabled": true}
	}
	o := object{"name": c.Name, "arn": c.Arn, "createdAt": c.Created.Unix(), "version": c.Version, "roleArn": c.RoleArn,
		"status":          c.Status,
		"platformVersion": "eks.1", "health": object{"issues": []any{}}, "tags": tagMap(c.Tags),
		"deletionProtection": c.DeletionProtection,
		"logging":            object{"clusterLogging": []any{logging}},
		"identity":           object{"oidc": object{"issuer": c.OpenIDConnectIssuerURL}},
		"accessConfig":       object{"authenticationMode": c.Access.AuthenticationMode},
		"kubernetesNetworkConfig": object{"serviceIpv4Cidr": c.Kubernetes.ServiceIPv4Cidr,
			"ipFamily": c.Kubernetes.IPFamily},
		"resourcesVpcConfig": object{"vpcId": c.VpcID, "subnetIds": c.Network.SubnetIDs,
			"securityGroupIds":       c.Network.SecurityGroupIDs,
			"clusterSecurityGroupId": c.ClusterSecurityGroupID, "endpointPublicAccess": c.Network.PublicAccess,
			"endpointPrivateAccess": c.Network.PrivateAccess, "publicAccessCidrs": c.Network.PublicCIDRs},
	}
	if len(c.Encryption) > 0 {
		list := []object{}
		for _, e := range c.Encryption {
			list = append(list, object{"resources": e.Resources, "provider": object{"keyArn": e.Provider.KeyArn}})
		}
		o["encryptionConfig"] = list
	}
	if c.Endpoint != "" {
		o["endpoint"] = c.Endpoint
		o["certificateAuthority"] = object{"data": c.CertificateAuthorityData}
	}
	return o
}
