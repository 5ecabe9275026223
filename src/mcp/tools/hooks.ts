import { z } from 'zod'
import { endpointTool } from '../endpoint-tool.ts'

const named = ['collection', 'name']

const input = '{payload, event, id, sender, received_at}'
/** Secrets of senders are left out: they do not belong into the context of a model. */
const simpler = {
  filter: z.string().optional().describe(`JSONata over ${input}: whether a delivery starts a run.`),
  mapping: z.string().optional().describe(`JSONata over ${input}: the init_params of the run.`),
  signature_header: z.string().optional().describe('Sender generic: header with the HMAC-SHA256 of the body.'),
  delivery_header: z.string().optional().describe('With signature_header: header with the id of a delivery.'),
  event: z.string().optional().describe('Sender event: name of the events that start runs.'),
}

/** Tools for hooks: webhooks of other services and events that start runs. */
export const hookTools = [
  endpointTool({
    name: 'list-hooks',
    title: 'List hooks',
    description:
      'Lists the hooks of a collection or of one task: webhooks of other services, and events, that start its runs.',
    operation: 'listHooks',
    takes: ['collection', 'task', 'limit', 'cursor'],
    defaults: { limit: 20 },
    rest: ({ collection }) => ({ tool: 'list-hooks', args: { collection, limit: 5 } }),
  }),
  endpointTool({
    name: 'create-hook',
    title: 'Create hook',
    description:
      'Makes a URL at which a service starts runs of a task, or starts them for events of a name. A secret made here is shown only in this answer: pass it on. The person sets one of Stripe, Slack or Linear with `jetty hooks update --secret-env`.',
    operation: 'createHook',
    takes: ['collection', 'task', 'sender', 'name', ...Object.keys(simpler), 'disabled'],
    simpler,
  }),
  endpointTool({
    name: 'update-hook',
    title: 'Update hook',
    description: 'Changes the given fields of a hook. `disabled` keeps deliveries without starting runs.',
    operation: 'updateHook',
    takes: [...named, 'task', 'filter', 'mapping', 'disabled'],
    simpler,
    isDestructive: true, // an earlier value is gone
  }),
  endpointTool({
    name: 'delete-hook',
    title: 'Delete hook',
    description:
      'Deletes a hook with its URL and deliveries for good; its runs stay. update-hook can disable it instead.',
    operation: 'deleteHook',
    takes: named,
    isDestructive: true,
  }),
  endpointTool({
    name: 'test-hook',
    title: 'Test hook',
    description:
      'Tries filter and mapping of a hook on a payload or on a delivery that it has received, and starts nothing.',
    operation: 'testHook',
    takes: [...named, 'payload', 'delivery', 'event', 'filter', 'mapping'],
    simpler: {
      event: z.string().optional().describe('Kind of event, such as push.'),
      filter: z.string().optional().describe('To try in place of that of the hook.'),
      mapping: z.string().optional().describe('To try in place of that of the hook.'),
    },
  }),
  endpointTool({
    name: 'list-hook-deliveries',
    title: 'List hook deliveries',
    description:
      'Lists what a hook has received, newest first: the run that each started, or the reason why it did not.',
    operation: 'listHookDeliveries',
    takes: [...named, 'state', 'limit', 'cursor'],
    defaults: { limit: 20 },
    rest: ({ collection, name }) => ({ tool: 'list-hook-deliveries', args: { collection, name, limit: 5 } }),
  }),
  endpointTool({
    name: 'get-hook-delivery',
    title: 'Get hook delivery',
    description: 'Shows one delivery of a hook with its payload.',
    operation: 'getHookDelivery',
    takes: [...named, 'number'],
  }),
  endpointTool({
    name: 'redeliver-hook',
    title: 'Redeliver to a hook',
    description: 'Delivers one delivery again, or all in a state; each starts a run if the filter lets it through.',
    operation: 'redeliverHook',
    takes: [...named, 'number', 'state'],
  }),
]
