package dynamo

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Limits of the store. An item's size includes the names of its attributes.
const (
	maxItemBytes        = 400 * 1024
	maxTransactionBytes = 4 * 1024 * 1024
	maxTransactionItems = 100
	maxBatchGet         = 100
	maxPartitionKey     = 2048
)

type item = map[string]types.AttributeValue

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func num[N int64 | uint64 | int](n N) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: fmt.Sprint(n)}
}

// text returns the attribute as a string: its digits if it is a number, "" if it is missing.
func text(it item, name string) string {
	switch v := it[name].(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return v.Value
	}
	return ""
}

// whole returns a numeric attribute, 0 if it is missing.
func whole(it item, name string) (uint64, error) {
	digits := text(it, name)
	if digits == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("attribute %s is %q, which is not a whole number", name, digits)
	}
	return n, nil
}

// itemSize returns the size of an item as the store counts it: names, strings and binaries in bytes, a number as one
// byte for each two significant digits plus one, rounded up.
func itemSize(it item) int {
	size := 0
	for name, value := range it {
		size += len(name)
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			size += len(v.Value)
		case *types.AttributeValueMemberN:
			size += numberSize(v.Value)
		case *types.AttributeValueMemberB:
			size += len(v.Value)
		}
	}
	return size
}

func numberSize(digits string) int {
	unsigned := strings.TrimPrefix(digits, "-")
	size := (len(strings.Trim(unsigned, "0"))+1)/2 + 1
	if len(unsigned) < len(digits) {
		size++
	}
	return size
}
