import { expect, test } from 'vitest'
import type { CheckedStep } from '../../../../src/model/workflows/workflow-check.ts'
import { workflowGraph } from './graph.tsx'

const step = (name: string, depends_on: string[] = [], more: Partial<CheckedStep> = {}): CheckedStep => ({
  ...{ name, activity: 'text_echo', is_listed: true, depends_on },
  ...{ after: [], decided_by: [], branch: null, loop: null },
  ...more,
})
const branchTo = (yes: string[], no: string[]): CheckedStep['branch'] => ({
  ...{ true: yes[0] ?? null, false: no[0] ?? null, true_steps: yes, false_steps: no },
})
const edgesOf = (steps: CheckedStep[], execution: 'sequential' | 'parallel' = 'sequential') =>
  workflowGraph({ steps, execution }).edges.map(({ from, to, kind, label }) => `${from}>${to} ${label ?? kind}`)

test('what reads another step comes after it, the rest in order', () => {
  expect(edgesOf([step('a'), step('b', ['a']), step('c')])).toEqual(['a>b reads', 'b>c after'])
  expect(edgesOf([step('a'), step('b', ['a']), step('c')], 'parallel')).toEqual(['a>b reads'])
})

test('branches lead to their steps; what a loop reads of its turn before is not drawn', () => {
  const ask = step('ask', ['a'], { branch: branchTo(['yes'], ['no']) })
  const steps = [step('a', ['no']), ask, step('yes', [], { decided_by: ['ask'] }), step('no', ['ask'])]
  expect(edgesOf(steps)).toEqual(['ask>yes true', 'ask>no false', 'a>ask reads'])
})

test('the arms of a branch meet in the step after them', () => {
  const branch = step('ask', [], { branch: branchTo(['yes'], ['no']) })
  const arm = (name: string) => step(name, [], { decided_by: ['ask'] })
  expect(edgesOf([branch, arm('yes'), arm('no'), step('end', ['no'])])).toEqual([
    'ask>yes true',
    'ask>no false',
    'no>end reads',
    'yes>end after',
  ])
})

test('the steps of an arm come one after the other', () => {
  const branch = step('ask', [], { branch: branchTo(['y1', 'y2'], ['n1', 'n2']) })
  const arms = ['y1', 'y2', 'n1', 'n2'].map((name) => step(name, [], { decided_by: ['ask'] }))
  expect(edgesOf([branch, ...arms, step('end')])).toEqual([
    ...['ask>y1 true', 'ask>n1 false', 'y1>y2 after', 'n1>n2 after', 'y2>end after', 'n2>end after'],
  ])
})

test('a large workflow is cut off, and it is said by how much', () => {
  const steps = Array.from({ length: 250 }, (_, at) => step(`s${at}`))
  expect(workflowGraph({ steps, execution: 'parallel' })).toMatchObject({ left: 50 })
})
