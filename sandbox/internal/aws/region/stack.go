package region

import (
	"slices"
	"strings"
	"time"
)

// Statuses of stacks, and of their resources, that others ask for.
const (
	CreateInProgress   = "CREATE_IN_PROGRESS"
	CreateComplete     = "CREATE_COMPLETE"
	CreateFailed       = "CREATE_FAILED"
	RollbackInProgress = "ROLLBACK_IN_PROGRESS"
	RollbackComplete   = "ROLLBACK_COMPLETE"
	RollbackFailed     = "ROLLBACK_FAILED"
	DeleteInProgress   = "DELETE_IN_PROGRESS"
	DeleteComplete     = "DELETE_COMPLETE"
	DeleteFailed       = "DELETE_FAILED"
	DeleteSkipped      = "DELETE_SKIPPED" // of a resource that is retained
)

// Stack is a stack of CloudFormation. It stays, as DELETE_COMPLETE, when it is deleted.
type Stack struct {
	ID           string // its ARN
	Name         string
	Token        string `json:",omitempty"` // of the request that made it
	Description  string `json:",omitempty"`
	Template     string // as it was sent
	Parameters   map[string]string
	Hidden       []string `json:",omitempty"` // parameters whose values are not shown
	Tags         Tags     `json:",omitempty"`
	Capabilities []string `json:",omitempty"`
	OnFailure    string   // ROLLBACK, DELETE, DO_NOTHING

	Status    string
	Reason    string `json:",omitempty"`
	Created   time.Time
	Deleted   time.Time        `json:",omitzero"`
	Resources []*StackResource // in the order of their names
	Outputs   []StackOutput    `json:",omitempty"`
	Imports   []string         `json:",omitempty"` // exports of other stacks that it uses
	Events    []StackEvent     // oldest first
}

// StackResource is what a stack has made of an entry of its template.
type StackResource struct {
	LogicalID  string
	PhysicalID string `json:",omitempty"` // empty: there is nothing yet
	Type       string
	Status     string `json:",omitempty"` // empty: its turn has not come
	Reason     string `json:",omitempty"`
	Changed    time.Time
	Retained   bool   `json:",omitempty"` // whatever the template says
	Operation  string `json:",omitempty"` // token of what is done to it now
}

// StackOutput is an output of a stack, and the name by which others import it.
type StackOutput struct {
	Key         string
	Value       string
	Description string `json:",omitempty"`
	Export      string `json:",omitempty"`
}

// StackEvent is something that happened to a stack or to one of its resources.
type StackEvent struct {
	ID         string
	LogicalID  string
	PhysicalID string `json:",omitempty"`
	Type       string
	Status     string
	Reason     string `json:",omitempty"`
	At         time.Time
}

// StackType is the type of stacks, in their own events.
const StackType = "AWS::CloudFormation::Stack"

// InProgress tells whether something is still to be done for the stack.
func (s *Stack) InProgress() bool {
	return s.Status == CreateInProgress || s.Status == RollbackInProgress || s.Status == DeleteInProgress
}

// Become changes the stack's status, and tells it as an event.
func (s *Stack) Become(status, reason string, now time.Time) {
	s.Status, s.Reason = status, reason
	s.Events = append(s.Events, StackEvent{ID: UUID(), LogicalID: s.Name, PhysicalID: s.ID, Type: StackType,
		Status: status, Reason: reason, At: now})
}

// ResourceBecomes does the same for a resource of the stack.
func (s *Stack) ResourceBecomes(r *StackResource, status, reason string, now time.Time) {
	r.Status, r.Reason, r.Changed = status, reason, now
	s.Events = append(s.Events, StackEvent{ID: r.LogicalID + "-" + status + "-" + UUID(), LogicalID: r.LogicalID,
		PhysicalID: r.Shown(), Type: r.Type, Status: status, Reason: reason, At: now})
}

// Shown is the physical ID as CloudFormation shows it, and as Ref gives it: of an
// address, whose identifier has two parts, the first.
func (r *StackResource) Shown() string {
	if r.Type == "AWS::EC2::EIP" {
		address, _, _ := strings.Cut(r.PhysicalID, "|")
		return address
	}
	return r.PhysicalID
}

// Resource is the resource of a logical ID, nil if the stack has none.
func (s *Stack) Resource(logical string) *StackResource {
	for _, r := range s.Resources {
		if r.LogicalID == logical {
			return r
		}
	}
	return nil
}

// Are lists the resources of a status by their logical IDs.
func (s *Stack) Are(status string) (logical []string) {
	for _, r := range s.Resources {
		if r.Status == status {
			logical = append(logical, r.LogicalID)
		}
	}
	return logical
}

// Stack finds a stack by its name, or, deleted ones too, by its ID.
func (s *State) Stack(nameOrID string) (*Stack, error) {
	if stack, ok := s.Stacks[nameOrID]; ok {
		return stack, nil
	}
	if stack := s.StackNamed(nameOrID); stack != nil {
		return stack, nil
	}
	return nil, Errorf(NotFound, "ValidationError", "Stack with id %s does not exist", nameOrID)
}

// StackNamed is the stack that has the name now, nil if none has.
func (s *State) StackNamed(name string) *Stack {
	for _, stack := range s.Stacks {
		if stack.Name == name && stack.Status != DeleteComplete {
			return stack
		}
	}
	return nil
}

// Exporter is the stack that exports a name, and its output, nil if none does.
func (s *State) Exporter(name string) (*Stack, *StackOutput) {
	for _, stack := range s.Stacks {
		for k := range stack.Outputs {
			if o := &stack.Outputs[k]; o.Export == name && stack.Status != DeleteComplete {
				return stack, o
			}
		}
	}
	return nil, nil
}

// Importers are the names of the stacks that use an export.
func (s *State) Importers(export string) (names []string) {
	for _, stack := range Sorted(s.Stacks) {
		if stack.Status != DeleteComplete && slices.Contains(stack.Imports, export) {
			names = append(names, stack.Name)
		}
	}
	return names
}
