import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { builtinActivities } from '../../activities/registry.ts'
import type { StepStatus, Workflow } from '../../model/workflows/workflow.ts'
import { branchStateAfter, isChosen, newBranchState, passOver, type Settled, settle, turnOf } from './branch-state.ts'
import { compileWorkflow, type Program } from './program.ts'

interface Line extends Settled {
  name: string
}

/** What branches and counters say, and which steps fail without the run ending: by step and turn. */
interface Oracle {
  isTrue(step: string, turn: number): boolean
  turns(counter: string): number
  fails(step: string, turn: number): boolean
}

const recordedAs = (name: string, turn: number): string => (turn > 1 ? `${name}__${turn}` : name)

const outputsOf = (workflow: Workflow, name: string, turn: number, oracle: Oracle): string => {
  const activity = workflow.step_configs?.[name]?.activity
  if (activity === 'conditional_branch') return JSON.stringify({ branch: String(oracle.isTrue(name, turn)) })
  if (activity === 'loop_counter') return JSON.stringify({ done: turn >= oracle.turns(name) })
  return '{}'
}

const statusOf = (name: string, turn: number, oracle: Oracle): StepStatus =>
  oracle.fails(name, turn) ? 'failed' : 'completed'

/** The engine's own walk, with records in the place of executions. */
const walk = (program: Program, workflow: Workflow, oracle: Oracle): Line[] => {
  const lines: Line[] = []
  const branchState = newBranchState()
  let next = passOver(program, branchState, 0)
  for (let step = program.steps[next]; step; step = program.steps[next]) {
    const turn = turnOf(branchState, step)
    const status = isChosen(branchState, step) ? statusOf(step.name, turn, oracle) : 'skipped'
    const outputs = status === 'completed' ? outputsOf(workflow, step.name, turn, oracle) : null
    lines.push({ name: recordedAs(step.name, turn), seq: lines.length, status, outputs })
    next = passOver(program, branchState, settle(branchState, step, lines.at(-1) as Line))
  }
  return lines
}

/** The same said otherwise, straight from the words of the documentation. */
const interpret = (workflow: Workflow, oracle: Oracle): string[] => {
  const { step_configs: configs = {}, steps: listed = [] } = workflow
  const lines: string[] = []
  const armOf = (branch: string, isTrue: boolean) =>
    [configs[branch]?.[isTrue ? 'true_step' : 'false_step'] ?? []].flat() as string[]
  const leads = (branch: string) => [...new Set([...armOf(branch, true), ...armOf(branch, false)])]
  /** In the order in which they decide. */
  let verdicts: { branch: string; chosen: string[] }[] = []
  let turn = new Map<string, number>()
  const groupOf = (counter: string): string[] => {
    const all = [counter, ...((configs[counter]?.steps ?? []) as string[])]
    for (const name of all) for (const target of leads(name)) if (!listed.includes(target)) all.push(target)
    return all
  }
  const counters = listed.filter((name) => configs[name]?.activity === 'loop_counter')
  const turnAt = (name: string) => turn.get(counters.find((counter) => groupOf(counter).includes(name)) ?? '') ?? 1

  const decide = (branch: string, chosen: string[]) => {
    verdicts.push({ branch, chosen })
    for (const target of leads(branch)) {
      if (listed.includes(target)) continue
      if (chosen.includes(target)) visit(target, true)
      else if (configs[target]?.activity === 'conditional_branch') decide(target, [])
    }
  }
  const visit = (name: string, isWanted: boolean) => {
    const now = turnAt(name)
    const status = isWanted ? statusOf(name, now, oracle) : 'skipped'
    lines.push(`${recordedAs(name, now)} ${status}`)
    if (configs[name]?.activity !== 'conditional_branch') return
    const isTrue = oracle.isTrue(name, now)
    decide(name, status === 'completed' ? armOf(name, isTrue) : [])
  }

  for (let at = 0; at < listed.length; at++) {
    const name = listed[at] as string
    const verdict = verdicts.findLast(({ branch }) => leads(branch).includes(name))
    const isWanted = verdict === undefined || verdict.chosen.includes(name)
    visit(name, isWanted)
    const isCounter = configs[name]?.activity === 'loop_counter'
    const now = turnAt(name)
    if (!isCounter || !isWanted || oracle.fails(name, now) || now >= oracle.turns(name)) continue
    turn = new Map([...turn, [name, now + 1]])
    const group = groupOf(name)
    verdicts = verdicts.filter(({ branch }) => !group.includes(branch))
    at = Math.min(...group.map((one) => listed.indexOf(one)).filter((index) => index >= 0)) - 1
  }
  return lines
}

/**
 * Workflows with branches to listed, unlisted and no steps, to several of them, one in another, and loops around parts of
 * them.
 */
const workflows: fc.Arbitrary<Workflow> = fc
  .array(
    fc.record({
      kind: fc.constantFrom('step', 'step', 'branch', 'branch', 'loop'),
      leads: fc.tuple(fc.nat(7), fc.nat(7)),
      unlisted: fc.tuple(fc.boolean(), fc.boolean()),
      further: fc.tuple(fc.option(fc.nat(7)), fc.option(fc.constant('unlisted'))),
      nested: fc.boolean(),
      group: fc.integer({ min: 1, max: 4 }),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((parts) => {
    const names = parts.map((_, at) => `s${at}`)
    const configs: Record<string, Record<string, unknown>> = {}
    let loopFrom = 0
    parts.forEach(({ kind, leads, unlisted, further, nested, group }, at) => {
      const name = names[at] as string
      const later = (which: 0 | 1): string | null => {
        if (!unlisted[which]) return names[at + 1 + leads[which]] ?? null
        const target = `${name}_${which}`
        configs[target] = { activity: 'text_echo', text: 'x' }
        if (nested && which === 0) {
          configs[`${target}_in`] = { activity: 'text_echo', text: 'x' }
          const inner = { true_step: `${target}_in`, false_step: names[at + 1 + leads[1]] ?? null }
          configs[target] = { activity: 'conditional_branch', condition: true, ...inner }
        }
        return target
      }
      const arm = (which: 0 | 1): string | null | string[] => {
        const first = later(which)
        const [listed, hidden] = further
        const second = which === 0 && listed !== null ? names[at + 1 + listed] : undefined
        const third = which === 1 && hidden ? `${name}_more` : undefined
        if (third) configs[third] = { activity: 'text_echo', text: 'x' }
        const more = [second, third].filter((one) => one !== undefined)
        return more.length === 0 ? first : [...(first === null ? [] : [first]), ...more]
      }
      if (kind === 'branch') {
        configs[name] = { activity: 'conditional_branch', condition: 1, true_step: arm(0), false_step: arm(1) }
      } else if (kind === 'loop' && at > loopFrom) {
        const steps = names.slice(Math.max(loopFrom, at - group), at)
        configs[name] = { activity: 'loop_counter', steps, max_turns: 9 }
        loopFrom = at + 1
      } else configs[name] = { activity: 'text_echo', text: 'x' }
    })
    return { step_configs: configs, steps: names }
  })

const oracles: fc.Arbitrary<Oracle> = fc
  .tuple(
    fc.infiniteStream(fc.boolean()),
    fc.infiniteStream(fc.integer({ min: 1, max: 4 })),
    fc.infiniteStream(fc.nat(9)),
  )
  .map(([truths, lengths, failures]) => {
    const known = <T>(stream: Iterator<T>) => {
      const said = new Map<string, T>()
      return (key: string): T => {
        if (!said.has(key)) said.set(key, stream.next().value as T)
        return said.get(key) as T
      }
    }
    const [truth, length, failure] = [known(truths), known(lengths), known(failures)]
    return {
      isTrue: (step, turn) => truth(`${step} ${turn}`),
      turns: (counter) => length(counter),
      fails: (step, turn) => failure(`${step} ${turn}`) === 0,
    }
  })

describe('the branch state of a run', () => {
  it('is what the documentation says, whatever the workflow', () => {
    fc.assert(
      fc.property(workflows, oracles, (workflow, oracle) => {
        const program = compileWorkflow(workflow, builtinActivities)
        expect(program.problems).toEqual([])
        const lines = walk(program, workflow, oracle).map(({ name, status }) => `${name} ${status}`)
        expect(lines).toEqual(interpret(workflow, oracle))
      }),
      { numRuns: 500 },
    )
  })

  it('follows from the records, wherever the run was left', () => {
    fc.assert(
      fc.property(workflows, oracles, (workflow, oracle) => {
        const program = compileWorkflow(workflow, builtinActivities)
        const lines = walk(program, workflow, oracle)
        for (let at = 0; at < lines.length; at++) {
          const { branchState, next } = branchStateAfter(program, lines.slice(0, at))
          const step = program.steps[next]
          const following = lines[at] as Line
          if (!step) throw new Error(`nothing comes after ${at} records, but ${following.name} did`)
          expect(recordedAs(step.name, turnOf(branchState, step))).toBe(following.name)
          expect(isChosen(branchState, step)).toBe(following.status !== 'skipped')
        }
        expect(program.steps[branchStateAfter(program, lines).next]).toBeUndefined()
      }),
      { numRuns: 300 },
    )
  })
})
