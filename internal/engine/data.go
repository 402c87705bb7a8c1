package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// dataTypes are the types whose delete loses what no run can make again, and
// what that is. They are deleted, or replaced, only if the user names them.
var dataTypes = map[string]string{
	"AWS::Backup::BackupVault":                         "its recovery points",
	"AWS::Cognito::UserPool":                           "its users",
	"AWS::DocDB::DBCluster":                            "its databases",
	"AWS::DocDB::DBInstance":                           "an instance of its database",
	"AWS::DynamoDB::GlobalTable":                       "its items",
	"AWS::DynamoDB::Table":                             "its items",
	"AWS::EC2::Snapshot":                               "its data",
	"AWS::EC2::Volume":                                 "its data",
	"AWS::ECR::Repository":                             "its images",
	"AWS::EFS::FileSystem":                             "its files",
	"AWS::ElastiCache::CacheCluster":                   "what is cached there",
	"AWS::ElastiCache::ReplicationGroup":               "what is cached there",
	"AWS::ElastiCache::ServerlessCache":                "what is cached there",
	"AWS::Elasticsearch::Domain":                       "its indices",
	"AWS::FSx::FileSystem":                             "its files",
	"AWS::Kinesis::Stream":                             "the records that nobody has read yet",
	"AWS::KMS::Key":                                    "the key: what it encrypted can never be read again",
	"AWS::KMS::ReplicaKey":                             "the key: what it encrypted can never be read again",
	"AWS::Logs::LogGroup":                              "its logs",
	"AWS::MSK::Cluster":                                "its topics",
	"AWS::MSK::ServerlessCluster":                      "its topics",
	"AWS::MemoryDB::Cluster":                           "its data",
	"AWS::Neptune::DBCluster":                          "its graphs",
	"AWS::Neptune::DBInstance":                         "an instance of its database",
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
	"AWS::SecretsManager::Secret":                      "its value",
	"AWS::Timestream::Database":                        "its tables",
	"AWS::Timestream::Table":                           "its records",
	"v1/PersistentVolumeClaim":                         "its volume, with all files, if its storage class deletes volumes",
	"v1/PersistentVolume":                              "its volume, if it is reclaimed by deleting",
	"snapshot.storage.k8s.io/v1/VolumeSnapshot":        "its snapshot",
	"apiextensions.k8s.io/v1/CustomResourceDefinition": "every object of its kind",
}

// protected is what stands against the delete of a resource; empty: nothing.
func protected(r *state.Resource) string {
	if r.Protected {
		return "protect is set"
	}
	if data := dataTypes[r.Type]; data != "" {
		return "loses " + data
	}
	return ""
}

// protect marks the deletes that the user has not allowed by name, and tells of them.
func (b *builder) protect() {
	for _, d := range b.deletes {
		why := protected(d.goes)
		if why == "" || d.Gone || b.engine.allows(d.Step) {
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
		return slices.Contains([]string{allowed(s), s.URN.Name(), s.Name, string(s.URN)}, name)
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
