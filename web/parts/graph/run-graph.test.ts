import { describe, expect, it } from 'vitest'
import { runOf, step } from '../test-steps.ts'
import { collapseChains, runGraph } from './run-graph.ts'

const names = (length: number) => Array.from({ length }, (_, index) => `s${index}`)
const chain = (length: number, failed?: string) =>
  runOf(
    names(length).map((name, index) =>
      step(name, index * 10, index * 10 + 5, {
        depends_on: index === 0 ? [] : [`s${index - 1}`],
        ...(name === failed ? { status: 'failed' as const } : {}),
      }),
    ),
  )
const edges = (graph: ReturnType<typeof runGraph>) => graph.edges.map(({ from, to, kind }) => `${from}>${to} ${kind}`)

describe('the graph of a run', () => {
  it('links what reads, and what only comes after', () => {
    const run = runOf([step('a', 0, 5), step('b', 10, 15), step('c', 20, 25, { depends_on: ['a'] })])
    expect(edges(runGraph(run, undefined))).toEqual(['a>c reads', 'a>b after', 'b>c after'])
  })

  it('links steps that ran at the same time only where they read', () => {
    const run = runOf([step('a', 0, 50), step('b', 10, 60), step('c', 70, 80, { depends_on: ['a', 'b'] })])
    expect(edges(runGraph(run, undefined))).toEqual(['a>c reads', 'b>c reads'])
  })

  it('draws the arms of a branch side by side', () => {
    const arm = { decided_by: ['ask'] }
    const skipped = { ...arm, status: 'skipped' as const }
    const run = runOf([step('ask', 0, 5), step('yes', 6, 9, arm), step('no', 10, 10, skipped), step('end', 11, 15)])
    expect(edges(runGraph(run, undefined))).toEqual(['ask>yes after', 'ask>no after', 'yes>end after', 'no>end after'])
  })

  it('draws the steps of an arm one after the other', () => {
    const arm = { decided_by: ['ask'] }
    const skipped = { ...arm, status: 'skipped' as const }
    const run = runOf([
      ...[step('ask', 0, 5), step('y1', 6, 9, arm), step('y2', 10, 12, arm)],
      ...[step('n1', 13, 13, skipped), step('n2', 13, 13, skipped), step('end', 14, 15)],
    ])
    expect(edges(runGraph(run, undefined))).toEqual(
      ['ask>y1', 'y1>y2', 'ask>n1', 'n1>n2', 'y2>end', 'n2>end'].map((edge) => `${edge} after`),
    )
  })

  it('shows what is still to come', () => {
    const run = runOf([step('a', 0, 5)], { status: 'running', total_steps: ['a', 'b'] })
    const graph = runGraph(run, undefined)
    expect(graph.nodes.map(({ id, kind, status }) => [id, kind, status])).toEqual([
      ['a', 'step', 'completed'],
      ['b', 'pending', 'pending'],
    ])
    expect(edges(graph)).toEqual(['a>b after'])
  })

  it('shows a loop as one box', () => {
    const counter = { activity: 'loop_counter', depends_on: ['draft'] }
    const run = runOf(
      [
        step('in', 0, 1),
        step('draft', 2, 3, { depends_on: ['in'] }),
        step('again', 4, 5, counter),
        step('draft__2', 6, 7, { depends_on: ['in'], status: 'failed' }),
        step('again__2', 8, 9, counter),
        step('save', 10, 11, { depends_on: ['draft'] }),
      ],
      { total_steps: ['in', 'draft', 'again', 'save'] },
    )
    const graph = runGraph(run, undefined)
    expect(graph.nodes.map(({ id, label, status }) => [id, label, status])).toEqual([
      ['in', 'in', 'completed'],
      [':again', 'again ×2', 'failed'],
      ['save', 'save', 'completed'],
    ])
    expect(edges(graph)).toEqual(['in>:again reads', ':again>save reads'])
  })
})

describe('a large graph', () => {
  it('joins quiet chains, and keeps what failed and what is chosen', () => {
    const graph = runGraph(chain(1000, 's700'), 's300')
    expect(graph.nodes.map(({ label }) => label)).toEqual(['s0 … s299', 's300', 's301 … s699', 's700', 's701 … s999'])
    expect(edges(graph)).toHaveLength(4)
    expect(graph.left).toBe(0)
  })

  it('leaves out what is far from the chosen step when nothing can be joined', () => {
    const wide = runOf(names(1000).map((name) => step(name, 0, 5)))
    const graph = runGraph(wide, 's900')
    expect(graph.nodes).toHaveLength(300)
    expect(graph.nodes.some(({ id }) => id === 's900')).toBe(true)
    expect(graph.left).toBe(700)
  })

  it('keeps short chains', () => {
    const graph = runGraph(chain(2), undefined)
    expect(collapseChains(graph, undefined)).toEqual(graph)
  })
})
