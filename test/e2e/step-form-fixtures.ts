// Answers about the definition of a task whose steps have every kind of field.
import { builtinActivities } from '../../src/activities/registry.ts'
import { describeActivity } from '../../src/api/step-templates/describe.ts'
import { lintWorkflow } from '../../src/engine/program/lint.ts'
import { compileWorkflow } from '../../src/engine/program/program.ts'
import { outlineOf } from '../../src/engine/start/starts.ts'

const workflow = {
  init_params: { since: '2026-11-01', mail: 'Invoice 12 of Ada Ltd: 2 lamps at 40 EUR' },
  step_configs: {
    orders: {
      activity: 'http_request',
      url: 'https://api.example.com/orders',
      query: { status: 'open', since_path: 'init_params.since' },
      headers: { Accept: 'application/json', 'X-Api-Key_path': 'env.API_KEY' },
      expect_status: ['2xx', 404],
      response: 'json',
      pagination: { type: 'link', max_pages: 20 },
    },
    totals: {
      activity: 'transform',
      input_path: 'orders.outputs.items',
      expression: '$[status = "open"].{\n  "id": id,\n  "total": $round(amount * 1.1, 2)\n}',
    },
    read: {
      activity: 'litellm_chat',
      model: 'scripted/json',
      prompt: 'Read this invoice:\n{{init_params.mail}}',
      output_schema: {
        type: 'object',
        properties: {
          vendor: { type: 'string', description: 'Name of the seller' },
          total: { type: 'number' },
          currency: { type: 'string', enum: ['EUR', 'USD'] },
          lines: { type: 'array', items: { type: 'string' } },
        },
        required: ['vendor', 'total'],
        additionalProperties: false,
      },
    },
    page: { activity: 'render', format: 'html', markdown_path: 'read.outputs.vendr', title: 'Invoices' },
  },
  steps: ['orders', 'totals', 'read', 'page'],
}

const program = compileWorkflow(workflow, builtinActivities)
const problems = lintWorkflow(workflow, program)
const templates = [...builtinActivities.values()].map(describeActivity)

const answers: Readonly<Record<string, unknown>> = {
  'GET /api/v1/tasks/acme/step-forms': {
    ...{ id: 1, name: 'step-forms', entity_type: 'task', is_private: true, croissant_metadata: null, collection_id: 1 },
    ...{ collection_name: 'acme', version: 1, description: null, has_file_uploads: false, is_chat_flow: false },
    ...{ created_at: '2026-11-28T11:00:00Z', updated_at: '2026-11-28T11:00:00Z', environment_variables: null },
    ...{ storage_info: null, storage_provider: null, workflow, input_schema: {} },
  },
  'POST /api/v1/workflows/check': { valid: problems.length === 0, problems, ...outlineOf(workflow, program) },
  'GET /api/v1/step-templates': { templates, categories: [], total_count: templates.length, common_parameters: [] },
  'GET /api/v1/runs/acme': { runs: [], has_more: false, next_cursor: null },
}

/** The form of a step of each kind. */
export const stepFormFixtures = workflow.steps.map((step) => ({
  ...{ name: `step-form-${step}`, page: '/acme/step-forms?tab=definition', answers, step },
}))
