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

  it('has a fault for each member that nothing uses, with the nearest that something does', () => {
    const workflow = { step_configs: { a: echo }, step: ['a'], description: 'fine', nodes: [] }
    expect(faultsOf(workflow)).toMatchObject([
      { severity: 'error', step: null, field: 'workflow', message: 'The workflow has no steps, a list of step names' },
      { severity: 'warning', field: 'workflow.step', did_you_mean: 'steps' },
      { severity: 'warning', field: 'workflow.nodes' },
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
      { severity: 'warning', field: 'workflow.step_configs.a.txet', did_you_mean: 'text' },
      { severity: 'warning', field: 'workflow.step_configs.a.options.tiemout_sec', did_you_mean: 'timeout_sec' },
    ])
  })
})
