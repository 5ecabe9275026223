import { endpointTool } from '../endpoint-tool.ts'

export const eventTools = [
  endpointTool({
    name: 'list-event-waits',
    title: 'List waits for events',
    description: 'Lists the steps of a collection that wait for an event, each with the name and key it waits for.',
    operation: 'listEventWaits',
    takes: ['collection', 'limit', 'cursor'],
    defaults: { limit: 20 },
    rest: ({ collection }) => ({ tool: 'list-event-waits', args: { collection, limit: 5 } }),
  }),
  endpointTool({
    name: 'send-event',
    title: 'Send an event',
    description:
      'Sends an event to the run that waits for its name and key, and so continues the run. It is kept while no run waits. The same event is delivered once.',
    operation: 'sendEvent',
    takes: ['collection', 'event', 'key', 'payload', 'id', 'keep_for_sec'],
  }),
]
