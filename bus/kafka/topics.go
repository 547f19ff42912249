package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// How large a batch of messages may be, before compression.
const (
	smallestBatch = 1 << 10
	defaultBatch  = 1_000_012 // message.max.bytes of brokers, with room for a header
	largestBatch  = 256 << 20
)

const maxMessageBytes = "max.message.bytes" // the option of a topic

// topics makes topics that are missing, and knows how large messages may be in
// them.
type topics struct {
	config config
	client *kgo.Client
	busy   chan struct{} // full while somebody looks

	mu     sync.Mutex
	limits map[string]int32 // of topics that are there
}

func newTopics(c config) *topics {
	return &topics{config: c, busy: make(chan struct{}, 1), limits: make(map[string]int32)}
}

// limit returns how large a batch for a topic may be.
func (t *topics) limit(topic string) int32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if limit, ok := t.limits[topic]; ok {
		return limit
	}
	return t.config.maxBytes
}

func (t *topics) known(topic string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.limits[topic]
	return ok
}

// count returns how many topics are known.
func (t *topics) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.limits)
}

// ensure creates a topic if it is not there.
func (t *topics) ensure(ctx context.Context, topic string) error {
	if t.known(topic) {
		return nil
	}
	select {
	case t.busy <- struct{}{}:
		defer func() { <-t.busy }()
	case <-ctx.Done():
		return fmt.Errorf("wait for a topic: %w", context.Cause(ctx))
	}
	if t.known(topic) {
		return nil
	}
	there, err := t.look(ctx, topic)
	if err == nil && !there {
		err = t.create(ctx, topic)
	}
	if err != nil {
		return fmt.Errorf("topic %s: %w", topic, err)
	}
	limit := min(t.config.maxBytes, t.configured(ctx, topic))
	t.mu.Lock()
	t.limits[topic] = limit
	t.mu.Unlock()
	return nil
}

func (t *topics) look(ctx context.Context, topic string) (there bool, err error) {
	request := kmsg.NewPtrMetadataRequest()
	of := kmsg.NewMetadataRequestTopic()
	of.Topic = &topic
	request.Topics = append(request.Topics, of)
	response, err := request.RequestWith(ctx, t.client)
	if err != nil {
		return false, err
	}
	if len(response.Topics) != 1 {
		return false, fmt.Errorf("asked for one topic, got %d", len(response.Topics))
	}
	err = kerr.ErrorForCode(response.Topics[0].ErrorCode)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return false, nil
	}
	return true, err
}

func (t *topics) create(ctx context.Context, topic string) error {
	if !t.config.create {
		return kerr.UnknownTopicOrPartition
	}
	request := kmsg.NewPtrCreateTopicsRequest()
	of := kmsg.NewCreateTopicsRequestTopic()
	of.Topic, of.NumPartitions, of.ReplicationFactor = topic, t.config.partitions, t.config.replication
	request.Topics = append(request.Topics, of)
	response, err := request.RequestWith(ctx, t.client)
	if err != nil {
		return err
	}
	if len(response.Topics) != 1 {
		return fmt.Errorf("created one topic, got %d", len(response.Topics))
	}
	err = kerr.ErrorForCode(response.Topics[0].ErrorCode)
	if errors.Is(err, kerr.TopicAlreadyExists) {
		return nil
	}
	return err
}

// configured returns what the topic says about its messages, or no limit if we
// may not know.
func (t *topics) configured(ctx context.Context, topic string) int32 {
	request := kmsg.NewPtrDescribeConfigsRequest()
	of := kmsg.NewDescribeConfigsRequestResource()
	of.ResourceType, of.ResourceName, of.ConfigNames = kmsg.ConfigResourceTypeTopic, topic, []string{maxMessageBytes}
	request.Resources = append(request.Resources, of)
	response, err := request.RequestWith(ctx, t.client)
	if err != nil {
		return largestBatch
	}
	for i := range response.Resources {
		for _, option := range response.Resources[i].Configs {
			if option.Name != maxMessageBytes || option.Value == nil {
				continue
			}
			if n, err := strconv.ParseInt(*option.Value, 10, 32); err == nil {
				return max(smallestBatch, int32(n))
			}
		}
	}
	return largestBatch
}
