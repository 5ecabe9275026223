import { performance } from 'node:perf_hooks'
import { expect, test } from 'vitest'
import { builtinActivities } from '../../activities/registry.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import { divergenceOf } from '../steps/replayed-step.ts'
import { compileWorkflow } from './program.ts'

const names = (count: number) => Array.from({ length: count }, (_, at) => `s${at}`)
const echo = { activity: 'text_echo', text: 'x' }
const steps = (count: number, config: (at: number) => Record<string, unknown>): Workflow => ({
  step_configs: Object.fromEntries(names(count).map((name, at) => [name, config(at)])),
  steps: names(count),
})
const wrongCode = (at: number) => `network_failde${at % 10}`

/** As many of each as a request may hold, or near it: whoever sends one must not hold up everybody else. */
test.each<[string, Workflow]>([
  [
    'steps side by side that stand in the wrong order',
    { execution: 'parallel', ...steps(20_000, (at) => ({ ...echo, text_path: `s${at + 1}.outputs.text` })) },
  ],
  [
    'loops',
    steps(40_000, (at) => (at % 2 === 0 ? echo : { activity: 'loop_counter', steps: [`s${at - 1}`], max_turns: 2 })),
  ],
  [
    'loops over a gap',
    steps(5_000, (at) => (at < 4_900 ? echo : { activity: 'loop_counter', steps: names(4_800), max_turns: 2 })),
  ],
  [
    'misspelt error codes',
    steps(20_000, (at) => ({ ...echo, options: { retry: { retry_on: [wrongCode(at), wrongCode(at + 1)] } } })),
  ],
  [
    'misspelt options',
    steps(20_000, () => ({ ...echo, options: { tiemout_sec: 1, continu_on_error: true, cahce: 1 } })),
  ],
  ['misspelt parameters', steps(20_000, () => ({ ...echo, texxt: 1, tekst: 2, taxt: 3 }))],
  ['references to steps that are not there', steps(20_000, (at) => ({ ...echo, text_path: `none${at}.outputs.text` }))],
])('%s are compiled in a moment, and their problems told', (_, workflow) => {
  const begun = performance.now()
  const { problems } = compileWorkflow(workflow, builtinActivities)
  expect(performance.now() - begun).toBeLessThan(30_000)
  expect(problems.length).toBeLessThanOrEqual(101)
  expect(JSON.stringify(problems).length).toBeLessThan(100_000)
})

test('what is far too different is not compared line by line', async () => {
  const lines = (letter: string) => Array.from({ length: 2_000 }, () => letter).join('\n')
  const begun = performance.now()
  const [recorded, replayed] = [lines('a'), lines('b')].map((text) => JSON.stringify({ prompt: text }))
  const found = await divergenceOf({ step: 'ask', in: 'inputs', of: '1f2e3d4c' }, recorded ?? '', replayed ?? '')
  expect(performance.now() - begun).toBeLessThan(5_000)
  expect(found).toMatchObject({ path: 'prompt', message: expect.stringContaining('differs') })
  expect(found).not.toHaveProperty('diff')
})
