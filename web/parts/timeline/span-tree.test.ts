import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { step } from '../test-steps.ts'
import { timelineRows } from './rows.ts'
import { spanTree, stepsAbove } from './span-tree.ts'

const span = (id: string, parent: string | null, begun = 0, status: 'completed' | 'failed' = 'completed') =>
  step(id, begun, begun + 1, { status, span: { id, parent, name: id, kind: 'span', scope: 'own' } })

const shown = (...of: Parameters<typeof spanTree>) =>
  spanTree(...of).map(({ step: { key }, depth }) => `${'.'.repeat(depth)}${key}`)

describe('the tree of a trace', () => {
  it.each([
    [
      'nests spans whatever their order',
      [span('c', 'b', 2), span('a', null, 0), span('b', 'a', 1)],
      ['a', '.b', '..c'],
    ],
    [
      'puts siblings in the order in which they began',
      [span('a', null, 0), span('late', 'a', 9), span('early', 'a', 1)],
      ['a', '.early', '.late'],
    ],
    ['has a root for each missing parent', [span('a', null, 0), span('lost', 'gone', 1)], ['a', 'lost']],
    ['cuts a cycle of parents', [span('a', 'b', 0), span('b', 'a', 1), span('c', 'b', 2)], ['a', '.b', '..c']],
    ['cuts a span that is its own parent', [span('a', 'a', 0)], ['a']],
    ['keeps a child that began before its parent', [span('a', null, 5), span('b', 'a', 1)], ['a', '.b']],
  ])('%s', (_, steps, expected) => {
    expect(shown(steps)).toEqual(expected)
  })

  it('has each step once, below its parent, whatever the parents are', () => {
    const parents = fc.array(fc.option(fc.nat(30)), { maxLength: 30 })
    fc.assert(
      fc.property(parents, (given) => {
        const steps = given.map((parent, at) => span(`s${at}`, parent === null ? null : `s${parent}`, at % 7))
        const tree = spanTree(steps)
        expect(tree.map(({ step: { key } }) => key).sort()).toEqual(steps.map(({ key }) => key).sort())
        for (const { depth, parent } of tree) expect(depth).toBe(parent < 0 ? 0 : (tree[parent]?.depth ?? 0) + 1)
      }),
    )
  })

  it('nests ten thousand spans without a stack of calls', () => {
    const deep = Array.from({ length: 10_000 }, (_, at) => span(`s${at}`, at === 0 ? null : `s${at - 1}`, at))
    expect(spanTree(deep).at(-1)?.depth).toBe(9_999)
  })
})

describe('rows of a trace', () => {
  const steps = [span('a', null), span('b', 'a', 1), span('c', 'b', 2, 'failed'), span('d', 'a', 3)]

  it('stand open at first', () => {
    expect(timelineRows(steps, [], new Set()).map(({ id }) => id)).toEqual(['a', 'b', 'c', 'd'])
  })

  it('hide what is below a folded span, and say how much of it failed', () => {
    const rows = timelineRows(steps, [], new Set(['b']))
    expect(rows.map(({ id }) => id)).toEqual(['a', 'b', 'd'])
    expect(rows[1]).toMatchObject({ fold: { isOpen: false, steps: 1, failed: 1 } })
    expect(rows[2]).not.toHaveProperty('fold')
  })

  it('add up the tokens and the cost of the calls below', () => {
    const call = (id: string, costUsd: number | null) => ({
      ...span(id, 'a', 1),
      usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
      cost_usd: costUsd,
    })
    const used = (...costs: (number | null)[]) =>
      spanTree([span('a', null), ...costs.map((cost, at) => call(`c${at}`, cost))])[0]?.below.used
    expect([used(), used(1, 2), used(1, null)]).toEqual([
      undefined,
      { tokens: 6, costUsd: 3 },
      { tokens: 6, costUsd: null },
    ])
  })

  it('open for a step that is chosen', () => {
    expect(stepsAbove(spanTree(steps), 'c')).toEqual(['b', 'a'])
  })
})
