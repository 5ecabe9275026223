// JSON in the guides: it can be read, and what it shows of workflows are parameters that activities have.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadOwnActivities } from '../../src/activities/own/load-own-activities.ts'
import { builtinActivities } from '../../src/activities/registry.ts'
import { lintWorkflow } from '../../src/engine/program/lint.ts'
import { compileWorkflow } from '../../src/engine/program/program.ts'
import { isObject } from '../../src/lib/json/json-object.ts'
import type { Workflow } from '../../src/model/workflows/workflow.ts'
import { root, textOf } from './source-files.ts'

interface JsonBlock {
  place: string
  text: string
}

const blocks: JsonBlock[] = readdirSync(join(root, 'docs'))
  .filter((name) => name.endsWith('.md'))
  .flatMap((name) => {
    const page = textOf(`docs/${name}`)
    const found = [...page.matchAll(/^```json\n([\s\S]*?)^```/gm), ...page.matchAll(/<<'END'\n(\{[\s\S]*?)^END$/gm)]
    return found.map(({ 1: text = '', index }) => ({
      place: `docs/${name}:${page.slice(0, index).split('\n').length}`,
      text,
    }))
  })

/** A value, or members without the braces around them. */
const parsed = ({ place, text }: JsonBlock): unknown => {
  try {
    return JSON.parse(/^\s*"[\w-]+"\s*:/.test(text) ? `{${text}}` : text)
  } catch (error) {
    throw new Error(`${place} is not JSON: ${error}`)
  }
}

const isStep = (value: unknown): value is Record<string, unknown> =>
  isObject(value) && typeof value.activity === 'string'

/** The workflow that a block shows, or of which it shows steps. */
const workflowOf = (value: unknown): { workflow: Workflow; isWhole: boolean } | undefined => {
  if (isStep(value)) return workflowOf({ step: value })
  if (!isObject(value)) return undefined
  if (isObject(value.step_configs)) return { workflow: value as unknown as Workflow, isWhole: true }
  const steps = Object.entries(value).flatMap(([name, one]) => (isStep(one) ? [[name, one] as const] : []))
  if (steps.length === 0) return undefined
  return { workflow: { step_configs: Object.fromEntries(steps), steps: steps.map(([name]) => name) }, isWhole: false }
}

/** A part of a workflow may refer to the rest of it. */
const ofTheRest = /has no entry in step_configs|there is no step|listed right before it/

/** Those of the server, and those that a guide shows how to write. */
const own = await loadOwnActivities(join(root, 'examples/activities'), builtinActivities)
const activities = new Map([...builtinActivities, ...own.map((one) => [one.name, one] as const)])

const faultsOf = (block: JsonBlock): string[] => {
  const shown = workflowOf(parsed(block))
  if (!shown) return []
  return lintWorkflow(shown.workflow, compileWorkflow(shown.workflow, activities))
    .filter(({ message }) => shown.isWhole || !ofTheRest.test(message))
    .map(({ field, message }) => `${block.place} ${field}: ${message}`)
}

describe('JSON in the guides', () => {
  it('shows workflows without faults', () => {
    expect(blocks.flatMap(faultsOf)).toEqual([])
    expect(blocks.filter((block) => workflowOf(parsed(block)) !== undefined).length).toBeGreaterThan(12)
  })
})
