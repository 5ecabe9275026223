import { describe, expect, it } from 'vitest'
import { builtinActivities } from '../../activities/registry.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import { lintWorkflow } from './lint.ts'
import { compileWorkflow } from './program.ts'

const faultsOf = (workflow: Workflow) => lintWorkflow(workflow, compileWorkflow(workflow, builtinActivities))

const oneStep = (config: Record<string, unknown>, initParams = {}) =>
  faultsOf({ init_params: initParams, step_configs: { a: config }, steps: ['a'] })

const echo = { activity: 'text_echo', text: 'x' }

describe('a workflow', () => {
  it('without faults has none', () => {
    expect(oneStep(echo)).toEqual([])
    expect(oneStep({ activity: 'text_echo', text_path: 'init_params.given_by_the_run' }, { model: 'm' })).toEqual([])
  })

  it('may write of callbacks in a text as long as none of its steps waits for an event', () => {
    const text = { activity: 'text_echo', text: 'Vue calls {{callbacks.onClick}}' }
    expect(oneStep(text)).toEqual([])
    const paid = { activity: 'wait_for_event' }
    expect(faultsOf({ step_configs: { a: text, paid }, steps: ['a', 'paid'] })).toMatchObject([
      { severity: 'error', step: 'a', message: expect.stringContaining("'onClick' is no step of wait_for_event") },
    ])
    expect(oneStep({ activity: 'text_echo', text_path: 'callbacks.paid' })).toMatchObject([
      { severity: 'error', message: expect.stringContaining("'paid' is no step of wait_for_event") },
    ])
  })

  it('has a fault for each member that nothing uses, with the nearest that something does', () => {
    const workflow = { step_configs: { a: echo }, step: ['a'], description: 'fine', nodes: [] }
    expect(faultsOf(workflow)).toMatchObject([
      { severity: 'error', step: null, field: 'workflow', message: 'The workflow has no steps, a list of step names' },
      { severity: 'error', field: 'workflow.step', did_you_mean: 'steps' },
      { severity: 'error', field: 'workflow.nodes' },
      {
        severity: 'warning',
        step: 'a',
        field: 'workflow.step_configs.a',
        message: expect.stringContaining('never runs'),
      },
    ])
  })

  it('has a fault for a listed step that has no config, with the nearest that has one', () => {
    const faults = faultsOf({ step_configs: { summarize: echo }, steps: ['sumarize'] })
    expect(faults[0]).toMatchObject({ severity: 'error', field: 'workflow.steps', did_you_mean: 'summarize' })
  })
})

describe('a step has a fault for', () => {
  it('a name in an object that is not allowed, with the reason', () => {
    const request = (headers: object) => ({ activity: 'http_request', url: 'https://example.com', headers })
    expect(oneStep(request({ Host: 'other' }))).toMatchObject([
      { field: 'workflow.step_configs.a.headers.Host', message: expect.stringMatching(/written by Jetty/) },
    ])
    expect(oneStep(request({ 'a b': 'c' }))).toMatchObject([
      { message: expect.stringMatching(/letters, digits and -/) },
    ])
  })

  it.each<[Record<string, unknown>, string, RegExp]>([
    [{ activity: 'http_request', url: 'https://a.example', body: {}, body_file: 'x/y' }, 'body_file', /one body/],
    [{ activity: 'http_request', url: 'https://a.example', form: {}, body_path: 'init_params.b' }, 'form', /one body/],
    [
      { activity: 'http_request', url: 'https://a.example', body: {}, pagination: { type: 'link' } },
      'pagination',
      /POST/,
    ],
    [
      { activity: 'http_request', url: 'https://a.example', method: 'put', pagination: { type: 'link' } },
      'pagination',
      /PUT/,
    ],
    [{ activity: 'script', language: 'python' }, 'code', /one source/],
    [{ activity: 'parse' }, 'text', /give one of the two/],
    [{ activity: 'parse', text: 'a', file_path: 'init_params.f' }, 'file_path', /give one of the two/],
    [{ activity: 'parse', text: 'a', format: 'pdf' }, 'text', /storage path/],
    [{ activity: 'join_items', left: [], right: [] }, 'on', /'on' is missing/],
    [{ activity: 'join_items', left: [], right: [], left_on: 'a' }, 'on', /'on' is missing/],
    [{ activity: 'render', format: 'html', items: [] }, 'markdown', /'markdown' is missing/],
    [{ activity: 'render', format: 'csv', items: null }, 'items', /'items' is missing/],
    [{ activity: 'sql', connection: 'env.DB', sql: 'delete from t' }, 'sql', /set read_only to false/],
  ])('parameters that do not go together: %j', (config, key, message) => {
    expect(oneStep(config)).toContainEqual(
      expect.objectContaining({
        severity: 'error',
        field: `workflow.step_configs.a.${key}`,
        message: expect.stringMatching(message),
      }),
    )
  })

  it.each<Record<string, unknown>>([
    { activity: 'http_request', url: 'https://a.example', form: {}, files: {} },
    { activity: 'http_request', url: 'https://a.example', method_path: 'init_params.m', pagination: { type: 'link' } },
    { activity: 'parse', file_path: 'init_params.f', format: 'pdf' },
    { activity: 'join_items', left: [], right: [], left_on: 'a', right_on: 'b' },
    { activity: 'render', format_path: 'init_params.f', items: [] },
    {
      activity: 'sql',
      connection: 'env.DB',
      sql: 'delete from t where a = :a',
      read_only: false,
      parameters: { a: 1 },
    },
    { activity: 'sql', connection_path: 'env.DB', sql_path: 'init_params.s', parameters: [1] },
  ])('nothing in %j', (config) => {
    expect(oneStep(config).filter(({ severity }) => severity === 'error')).toEqual([])
  })

  it('a type that is none, in the schema of an answer', () => {
    const schema = { type: 'object', properties: { a: { type: 'strng' }, b: { type: ['null', 7] } } }
    const ask = { activity: 'litellm_chat', model: 'm', prompt: 'p', output_schema: schema }
    const messages = oneStep(ask)
      .map(({ message }) => message)
      .join()
    expect(messages).toMatch(/at properties\.a\.type: 'strng' is no type, did you mean 'string'\?/)
    expect(messages).toMatch(/at properties\.b\.type: this is no type; types are string, number/)
  })

  it('an activity that is not there', () => {
    expect(oneStep({ activity: 'text_ehco' })[0]).toMatchObject({
      severity: 'error',
      step: 'a',
      field: 'workflow.step_configs.a.activity',
      message: "No step registered for 'text_ehco'",
      did_you_mean: 'text_echo',
    })
  })

  it('a parameter that is missing', () => {
    expect(oneStep({ activity: 'text_echo' })).toMatchObject([
      {
        severity: 'error',
        field: 'workflow.step_configs.a',
        message: "Step 'a': parameter 'text' of text_echo is required",
      },
    ])
    expect(oneStep({ activity: 'list_emit_await', items_path: 'init_params.items' })).toMatchObject([
      { severity: 'error', message: "Step 'a': parameter 'child_workflow_name' of list_emit_await is required" },
    ])
  })

  it('a value that the activity refuses, with the nearest that it takes', () => {
    const judge = {
      activity: 'simple_judge',
      item: 'x',
      instruction: 'Good?',
      model: 'scripted/echo',
      judge_type: 'scal',
    }
    expect(oneStep(judge)).toMatchObject([
      { severity: 'error', step: 'a', field: 'workflow.step_configs.a.judge_type', did_you_mean: 'scale' },
    ])
  })

  it('an output that no activity has, and a step that is not there', () => {
    const config = (path: string) => ({
      step_configs: { b: echo, a: { activity: 'text_echo', text_path: path } },
      steps: ['b', 'a'],
    })
    expect(faultsOf(config('b.outputs.txt'))).toMatchObject([
      {
        severity: 'error',
        step: 'a',
        field: 'workflow.step_configs.a.text_path',
        message: "Step 'a': 'b.outputs.txt' leads to nothing: text_echo has no output 'txt'; did you mean 'text'?",
        did_you_mean: 'text',
      },
    ])
    expect(faultsOf(config('b.outputs.greeting'))).toMatchObject([
      { message: "Step 'a': 'b.outputs.greeting' leads to nothing: text_echo has no output 'greeting'; it has text" },
    ])
    expect(faultsOf(config('bb.outputs.text'))).toMatchObject([{ severity: 'error', did_you_mean: 'b' }])
  })

  it('a parameter of the run that is nearly one of init_params', () => {
    expect(oneStep({ activity: 'text_echo', text_path: 'init_params.nmae' }, { name: 'moon' })).toMatchObject([
      { field: 'workflow.step_configs.a.text_path', did_you_mean: 'name' },
    ])
  })

  it('a misspelt member, and a misspelt option', () => {
    expect(oneStep({ ...echo, txet: 1, options: { tiemout_sec: 3 } })).toMatchObject([
      { severity: 'error', field: 'workflow.step_configs.a.txet', did_you_mean: 'text' },
      { severity: 'error', field: 'workflow.step_configs.a.options.tiemout_sec', did_you_mean: 'timeout_sec' },
    ])
    expect(oneStep({ ...echo, description: 'for people', comment: 'x', notes: ['y'] })).toEqual([])
  })

  const ask = { activity: 'litellm_chat', prompt: 'x' }
  const look = { activity: 'http_request' }
  it.each<[string, Record<string, unknown>, string, RegExp]>([
    ['a time limit that is a text', { ...echo, timeout_sec: '2s' }, 'timeout_sec', /above 0, not "2s"/],
    ['a time limit below 0', { ...echo, timeout_sec: -1 }, 'timeout_sec', /above 0, not -1/],
    ['a dependency that is no list', { ...echo, depends_on: 'b' }, 'depends_on', /a list of step names/],
    [
      'a tool that wants an approval',
      { ...ask, tools: [{ ...look, requires_approval: true }] },
      'tools.0',
      /tool 'http_request': unknown member 'requires_approval'/,
    ],
    [
      'a misspelt member of a tool',
      { ...ask, tools: [{ ...look, descripton: 'x' }] },
      'tools.0',
      /did you mean 'description'\?/,
    ],
    [
      'a misspelt member of a value',
      { activity: 'simple_judge', item: 'x', instruction: 'y', scale_range: { min: 1, max: 5, maxx: 3 } },
      'scale_range.maxx',
      /unknown member 'maxx' in scale_range; did you mean 'max'\?/,
    ],
    [
      'a wrong part of a value that a path completes',
      { ...look, url: 'https://a.example', auth: { type: 'bearr', token_path: 'env.TOKEN' } },
      'auth.type',
      /auth.type/,
    ],
  ])('%s', (_, config, field, message) => {
    expect(oneStep(config)).toMatchObject([
      {
        severity: 'error',
        field: `workflow.step_configs.a.${field}`,
        message: expect.stringMatching(message),
      },
    ])
  })

  it('a type of the input schema that nothing checks', () => {
    const faults = faultsOf({ input_schema: 'x', execution: {}, step_configs: { a: echo }, steps: ['a'] })
    expect(faults.map(({ severity, field }) => [severity, field])).toEqual([
      ['error', 'workflow.execution'],
      ['error', 'workflow.input_schema'],
    ])
  })
})

describe('a step after a branch', () => {
  const branching = (use: Record<string, unknown>, arm: unknown = 'a1', more: string[] = []) =>
    faultsOf({
      step_configs: {
        check: { activity: 'conditional_branch', condition_path: 'init_params.go', true_step: arm, false_step: 'b1' },
        a1: echo,
        b1: echo,
        use,
      },
      steps: ['check', 'a1', ...more, 'b1', ...(more.length === 0 ? ['use'] : [])],
    })

  it('that needs one of its arms has to belong to it', () => {
    expect(branching({ activity: 'text_echo', text_path: 'a1.outputs.text' })).toMatchObject([
      {
        severity: 'error',
        field: 'workflow.step_configs.use.text_path',
        hint: expect.stringContaining('["a1", "use"]'),
      },
    ])
    expect(branching({ activity: 'text_echo', text_path: 'a1.outputs.text' }, ['a1', 'use'])).toEqual([])
  })

  it('may read what ran of both, or do without it', () => {
    const join = { activity: 'text_concatenate', texts_path: ['a1.outputs.text', 'b1.outputs.text'] }
    expect(branching(join)).toEqual([])
    expect(branching({ activity: 'transform', expression: 'x', input: { x_path: 'a1.outputs.text?' } })).toEqual([])
    expect(branching({ activity: 'text_echo', text: 'x', text_path: 'a1.outputs.text' })).toEqual([])
  })

  it('has a warning where it stands between both, but belongs to neither', () => {
    expect(branching(echo, 'a1', ['use'])).toMatchObject([{ severity: 'warning', step: 'use' }])
    expect(branching(echo, ['a1', 'use'], ['use'])).toEqual([])
  })
})

describe('a path into a structured output', () => {
  const line = { type: 'object', properties: { price: { type: 'number' } }, additionalProperties: false }
  const schema = {
    type: 'object',
    properties: { vendor: { type: 'string' }, lines: { type: 'array', items: line }, text: { type: 'object' } },
  }
  const reading = (path: string, output_schema: object = schema) =>
    faultsOf({
      step_configs: {
        read: { activity: 'litellm_chat', prompt: 'x', output_schema },
        use: { activity: 'text_echo', text_path: path },
      },
      steps: ['read', 'use'],
    })

  it.each(['vendor', 'lines[0].price', 'lines[*].price', 'json.lines[*]', 'text', 'usage', 'anything.else'])(
    'may lead to %s',
    (path) => {
      expect(reading(`read.outputs.${path}`)).toEqual([])
    },
  )

  it.each([
    [
      'vender',
      'warning',
      /may lead to nothing: by the output_schema of 'read', 'read.outputs' has no 'vender'; did you mean 'vendor'/,
    ],
    ['lines[*].prize', 'error', /'read.outputs.lines\[\*\]' has no 'prize'; did you mean 'price'/],
    ['lines.price', 'error', /'read.outputs.lines' is a list and has no 'price'; \[\*\] reads each/],
    ['vendor.name', 'error', /'read.outputs.vendor' is no object and has no 'name'/],
    ['json.lines[0].sum', 'error', /has no 'sum'; it has price/],
    ['vendor[0]', 'error', /'read.outputs.vendor' is no list/],
  ])('%s is a fault', (path, severity, message) => {
    expect(reading(`read.outputs.${path}`)).toMatchObject([
      { severity, field: 'workflow.step_configs.use.text_path', message: expect.stringMatching(message) },
    ])
  })

  it('has to be named by a schema that is closed', () => {
    expect(reading('read.outputs.amount', { ...schema, additionalProperties: false })).toMatchObject([
      { severity: 'error', message: expect.stringContaining('it has vendor, lines, text') },
    ])
  })

  it('has to be declared where a step asks for no JSON', () => {
    const plain = (activity: Record<string, unknown>, path: string) =>
      faultsOf({
        step_configs: { ask: activity, use: { activity: 'text_echo', text_path: path } },
        steps: ['ask', 'use'],
      })
    expect(plain({ activity: 'litellm_chat', prompt: 'x' }, 'ask.outputs.vendor')).toMatchObject([
      { severity: 'error', message: expect.stringContaining("litellm_chat has no output 'vendor'; it has text") },
    ])
    const judge = { activity: 'simple_judge', item: 'x', instruction: 'Good?' }
    expect(plain(judge, 'ask.outputs.flaws')).toHaveLength(1)
    expect(plain({ ...judge, output_schema: schema }, 'ask.outputs.json.lines[0].price')).toEqual([])
    expect(plain({ ...judge, output_schema: schema }, 'ask.outputs.lines[0].prise')).toHaveLength(1)
  })
})
