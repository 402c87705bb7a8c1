package eks

import (
	"net/http"

	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// call is one request, and what its path says.
type call = wire.Call

// routes lists what is implemented.
func (s *Service) routes() wire.Routes {
	const cluster, entries, groups = "clusters/*", "clusters/*/access-entries", "clusters/*/node-groups"
	return wire.Routes{
		wire.At("CreateCluster", http.MethodPost, "clusters", s.createCluster),
		wire.At("ListClusters", http.MethodGet, "clusters", s.listClusters),
		wire.At("DescribeCluster", http.MethodGet, cluster, s.describeCluster),
		wire.At("DeleteCluster", http.MethodDelete, cluster, s.deleteCluster),
		wire.At("UpdateClusterConfig", http.MethodPost, cluster+"/update-config", s.updateClusterConfig),
		wire.At("UpdateClusterVersion", http.MethodPost, cluster+"/updates", s.updateClusterVersion),
		wire.At("ListUpdates", http.MethodGet, cluster+"/updates", s.listUpdates),
		wire.At("DescribeUpdate", http.MethodGet, cluster+"/updates/*", s.describeUpdate),
		wire.At("DescribeClusterVersions", http.MethodGet, "cluster-versions", func(c call) (any, error) { return s.versions(c.Request) }),
		wire.At("CreateNodegroup", http.MethodPost, groups, s.createNodegroup),
		wire.At("ListNodegroups", http.MethodGet, groups, s.listNodegroups),
		wire.At("DescribeNodegroup", http.MethodGet, groups+"/*", s.describeNodegroup),
		wire.At("UpdateNodegroupConfig", http.MethodPost, groups+"/*/update-config", s.updateConfig),
		wire.At("UpdateNodegroupVersion", http.MethodPost, groups+"/*/update-version", s.updateVersion),
		wire.At("DeleteNodegroup", http.MethodDelete, groups+"/*", s.deleteNodegroup),
		wire.At("CreateAccessEntry", http.MethodPost, entries, s.createEntry),
		wire.At("ListAccessEntries", http.MethodGet, entries, s.listEntries),
		wire.At("DescribeAccessEntry", http.MethodGet, entries+"/*", s.describeEntry),
		wire.At("UpdateAccessEntry", http.MethodPost, entries+"/*", s.updateEntry),
		wire.At("DeleteAccessEntry", http.MethodDelete, entries+"/*", s.deleteEntry),
		wire.At("ListAccessPolicies", http.MethodGet, "access-policies", s.allPolicies),
		wire.At("AssociateAccessPolicy", http.MethodPost, entries+"/*/access-policies", s.associatePolicy),
		wire.At("ListAssociatedAccessPolicies", http.MethodGet, entries+"/*/access-policies", s.listPolicies),
		wire.At("DisassociateAccessPolicy", http.MethodDelete, entries+"/*/access-policies/*", s.disassociatePolicy),
		wire.At("DescribeAddonVersions", http.MethodGet, "addons/supported-versions", s.addonVersions),
		wire.At("DescribeAddonConfiguration", http.MethodGet, "addons/configuration-schemas", s.addonConfiguration),
		wire.At("CreateAddon", http.MethodPost, cluster+"/addons", s.createAddon),
		wire.At("ListAddons", http.MethodGet, cluster+"/addons", s.listAddons),
		wire.At("DescribeAddon", http.MethodGet, cluster+"/addons/*", s.describeAddon),
		wire.At("UpdateAddon", http.MethodPost, cluster+"/addons/*/update", s.updateAddon),
		wire.At("DeleteAddon", http.MethodDelete, cluster+"/addons/*", s.deleteAddon),
		wire.At("CreatePodIdentityAssociation", http.MethodPost, cluster+"/pod-identity-associations", s.createIdentity),
		wire.At("ListPodIdentityAssociations", http.MethodGet, cluster+"/pod-identity-associations", s.listIdentities),
		wire.At("DescribePodIdentityAssociation", http.MethodGet, cluster+"/pod-identity-associations/*", s.describeIdentity),
		wire.At("UpdatePodIdentityAssociation", http.MethodPost, cluster+"/pod-identity-associations/*", s.updateIdentity),
		wire.At("DeletePodIdentityAssociation", http.MethodDelete, cluster+"/pod-identity-associations/*", s.deleteIdentity),
		wire.At("ListFargateProfiles", http.MethodGet, cluster+"/fargate-profiles", s.empty("fargateProfileNames")),
		wire.At("ListIdentityProviderConfigs", http.MethodGet, cluster+"/identity-provider-configs", s.empty("identityProviderConfigs")),
		wire.At("ListTagsForResource", http.MethodGet, "tags/*", s.listTags),
		wire.At("TagResource", http.MethodPost, "tags/*", s.tag),
		wire.At("UntagResource", http.MethodDelete, "tags/*", s.untag),
	}
}

// Operations names what is implemented.
func (s *Service) Operations() []string { return s.routes().Operations() }

// Operation names the operation that a request asks for.
func (s *Service) Operation(r *http.Request) string { return s.routes().Operation(r) }

// Serve answers one request.
func (s *Service) Serve(r *http.Request) (any, error) { return s.routes().Serve(r) }
