package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// dataTypes are the types whose delete loses what no run can make again, and
// what that is. They are deleted, or replaced, only if the user names them.
var dataTypes = map[string]string{
	"apiextensions.k8s.io/v1/CustomResourceDefinition": "every object of its kind",
	"AWS::ACMPCA::CertificateAuthority":                "the authority: what it signed cannot be renewed or revoked",
	"AWS::AmazonMQ::Broker":                            "the messages that nobody has read yet",
	"AWS::APS::Workspace":                              "its metrics",
	"AWS::Backup::BackupVault":                         "its recovery points",
	"AWS::Cassandra::Keyspace":                         "its tables",
	"AWS::Cassandra::Table":                            "its rows",
	"AWS::CloudFormation::Stack":                       "all that it made",
	"AWS::CloudTrail::EventDataStore":                  "its events",
	"AWS::CodeArtifact::Repository":                    "its packages",
	"AWS::CodeCommit::Repository":                      "its history",
	"AWS::Cognito::UserPool":                           "its users",
	"AWS::DocDB::DBCluster":                            "its databases",
	"AWS::DocDB::DBInstance":                           "an instance of its database",
	"AWS::DocDBElastic::Cluster":                       "its databases",
	"AWS::DSQL::Cluster":                               "its databases",
	"AWS::DynamoDB::GlobalTable":                       "its items",
	"AWS::DynamoDB::Table":                             "its items",
	"AWS::EC2::Snapshot":                               "its data",
	"AWS::EC2::Volume":                                 "its data",
	"AWS::ECR::PublicRepository":                       "its images",
	"AWS::ECR::Repository":                             "its images",
	"AWS::EFS::FileSystem":                             "its files",
	"AWS::ElastiCache::CacheCluster":                   "what is cached there",
	"AWS::ElastiCache::ReplicationGroup":               "what is cached there",
	"AWS::ElastiCache::ServerlessCache":                "what is cached there",
	"AWS::Elasticsearch::Domain":                       "its indices",
	"AWS::FSx::FileSystem":                             "its files",
	"AWS::FSx::StorageVirtualMachine":                  "its volumes",
	"AWS::FSx::Volume":                                 "its files",
	"AWS::HealthLake::FHIRDatastore":                   "its records",
	"AWS::Kendra::Index":                               "its documents",
	"AWS::Kinesis::Stream":                             "the records that nobody has read yet",
	"AWS::KMS::Key":                                    "the key: what it encrypted can never be read again",
	"AWS::KMS::ReplicaKey":                             "the key: what it encrypted can never be read again",
	"AWS::Lightsail::Database":                         "its databases",
	"AWS::Lightsail::Disk":                             "its data",
	"AWS::Logs::LogGroup":                              "its logs",
	"AWS::MemoryDB::Cluster":                           "its data",
	"AWS::MemoryDB::MultiRegionCluster":                "its data",
	"AWS::MSK::Cluster":                                "its topics",
	"AWS::MSK::ServerlessCluster":                      "its topics",
	"AWS::Neptune::DBCluster":                          "its graphs",
	"AWS::Neptune::DBInstance":                         "an instance of its database",
	"AWS::NeptuneGraph::Graph":                         "its graph",
	"AWS::OpenSearchServerless::Collection":            "its indices",
	"AWS::OpenSearchService::Domain":                   "its indices",
	"AWS::QLDB::Ledger":                                "its journal",
	"AWS::RDS::DBCluster":                              "its databases",
	"AWS::RDS::DBInstance":                             "its databases",
	"AWS::RDS::GlobalCluster":                          "its databases",
	"AWS::Redshift::Cluster":                           "its databases",
	"AWS::RedshiftServerless::Namespace":               "its databases",
	"AWS::Route53::HostedZone":                         "its records, and the name servers that the world knows",
	"AWS::S3::Bucket":                                  "its objects",
	"AWS::S3Express::DirectoryBucket":                  "its objects",
	"AWS::S3Tables::Table":                             "its rows",
	"AWS::S3Tables::TableBucket":                       "its tables",
	"AWS::S3Vectors::VectorBucket":                     "its vectors",
	"AWS::SecretsManager::Secret":                      "its value",
	"AWS::Timestream::Database":                        "its tables",
	"AWS::Timestream::InfluxDBInstance":                "its databases",
	"AWS::Timestream::Table":                           "its records",
	"snapshot.storage.k8s.io/v1/VolumeSnapshot":        "its snapshot",
	"v1/PersistentVolumeClaim":                         "its volume, with all files, if its storage class deletes volumes",
}

// protected is what stands against the delete of a resource; empty: nothing.
func (b *builder) protected(r *state.Resource) string {
	if r.Protected {
		return "protect is set"
	}
	if data := cmp.Or(dataTypes[r.Type], takesAlong(r, b.old)); data != "" {
		return "loses " + data
	}
	return ""
}

// takesAlong is the data that goes with some objects of a type, and stays with
// others.
func takesAlong(r *state.Resource, s *state.Snapshot) string {
	at := func(path string) any {
		v, _ := value.Get(r.Inputs, path)
		return v
	}
	switch r.Type {
	case "v1/PersistentVolume": // made by hand, it is retained unless it says otherwise
		if policy := at("spec.persistentVolumeReclaimPolicy"); policy == "Delete" || policy == "Recycle" {
			return "its volume, which is reclaimed by deleting"
		}
	case "v1/Namespace":
		for _, o := range s.Resources {
			if claims(&o) != graph.NoClaims && strings.HasPrefix(o.URN.Name(), r.URN.Name()+"/") {
				return "the volumes of the pods of " + graph.KindOf(o.Type).Name + " " + o.URN.Name()
			}
		}
	}
	switch claims(r) {
	case graph.Owned:
		return "the volumes of its pods, which it takes along"
	case graph.Kept:
		if at("spec.persistentVolumeClaimRetentionPolicy.whenDeleted") == "Delete" {
			return "the volumes of its pods, which it takes along (whenDeleted: Delete)"
		}
	case graph.NoClaims:
	}
	return ""
}

// claims is how the volume claims of its pods end, if it makes any.
func claims(r *state.Resource) graph.Claims {
	spec, _ := r.Inputs["spec"].(plan.Props)
	if templates, _ := spec["volumeClaimTemplates"].([]any); len(templates) == 0 {
		return graph.NoClaims
	}
	kind := graph.KindOf(r.Type)
	return graph.ClaimsOf(kind.Group, kind.Name)
}

// protect marks the deletes that the user has not allowed by name, and tells of them.
func (b *builder) protect() {
	for _, d := range b.deletes {
		why := b.protected(d.goes)
		if why == "" || d.Gone || d.Stays || b.engine.allows(d.Step) {
			continue
		}
		d.Protected = why
		if d.Why != "" {
			why = d.Why + "; " + why
		}
		d.Why = why
		b.engine.Events.Emit(event.Finding{Severity: event.Blocker, Object: what(d.Step), Effect: "would be deleted: " + d.Protected,
			Fix: "keep it in the file as it is, or, if it is to go: --allow-delete " + allowed(d.Step)})
	}
}

// allowed is how the user names a step's object: as resources do in a file's references.
func allowed(s plan.Step) string { return s.URN.Type() + "/" + s.URN.Name() }

// allows reports that the user has named what a step deletes.
func (e *Engine) allows(s plan.Step) bool {
	return slices.ContainsFunc(e.AllowDelete, func(name string) bool {
		return name != "" && slices.Contains([]string{allowed(s), s.URN.Name(), s.Name, string(s.URN), s.Component}, name)
	})
}

// refuseProtected lets no plan begin that deletes what the user has not named.
func (a *apply) refuseProtected() error {
	var names, flags []string
	for _, s := range a.plan.Steps {
		if s.Protected != "" && !a.allows(s) {
			names = append(names, fmt.Sprintf("%s (%s)", what(s), s.Protected))
			flags = append(flags, "--allow-delete "+allowed(s))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return &problem.Error{Kind: problem.Refused, Op: "delete", Err: fmt.Errorf("%s", strings.Join(names, ", ")),
		Fix: "keep what is still needed in the file as it is; if it is to go: " + strings.Join(flags, " ")}
}
