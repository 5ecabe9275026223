import { posix } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fits, importRules, onlyImporters } from './import-rules.ts'
import { ourFiles, programFiles, textOf, webFiles } from './source-files.ts'

interface Import {
  from: string
  /** A path from src, or the name of a package. */
  to: string
  isOurs: boolean
  /** Imports types only, which is nothing at run time. */
  isType: boolean
}

const pattern = /\bfrom\s*['"]([^'"]+)['"]|\bimport\s*\(?\s*['"]([^'"]+)['"]/g

const packageOf = (specifier: string): string => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')

const withoutSrc = (path: string): string => path.replace(/^src\//, '')

const importsOf = (file: string): Import[] => {
  const text = textOf(file)
  return [...text.matchAll(pattern)].map((match) => {
    const from = withoutSrc(file)
    const specifier = match[1] ?? match[2] ?? ''
    const isType = text.slice(text.lastIndexOf('import', match.index)).startsWith('import type ')
    if (!specifier.startsWith('.')) return { from, to: packageOf(specifier), isOurs: false, isType }
    return { from, to: withoutSrc(posix.join(posix.dirname(file), specifier)), isOurs: true, isType }
  })
}

const imports = [...programFiles, ...webFiles].flatMap(importsOf)
const activities = new Set(imports.filter(({ from }) => from === 'activities/registry.ts').map(({ to }) => to))
activities.delete('activities/activity.ts')

/** What is wrong with an import, if something is. */
const faultOf = ({ from, to, isOurs, isType }: Import): string | undefined => {
  const rule = importRules.find(({ of }) => fits(of, from))
  if (!rule) return `${from}: its folder has no row in test/house/import-rules.ts`
  const isAllowedType = isType && rule.types?.some((target) => fits(target, to))
  if (!isOurs) {
    if (from.startsWith('web/') && to === 'zod' && !isAllowedType) return `${from} must not load zod`
    const allowed = to.startsWith('node:') ? !rule.packages : (rule.packages?.includes(to) ?? true)
    const only = onlyImporters[to]
    return allowed && (!only || only.includes(from)) ? undefined : `${from} must not import the package ${to}`
  }
  const own = `${posix.dirname(from)}/`
  const page = `${from.split('/').slice(0, 3).join('/')}/`
  const folders: Record<string, string> = { 'own/': own, 'page/': page }
  const allowed = isAllowedType || rule.may.some((target) => fits(folders[target] ?? target, to))
  const foreignRoutes =
    from.startsWith('api/') && fits('api/*/routes.ts', to) && posix.dirname(to) !== posix.dirname(from)
  const isTable = fits('api/*.ts', from) // such as api/routes.ts, which lists them all
  const otherActivity = from.startsWith('activities/') && from !== 'activities/registry.ts' && activities.has(to)
  return allowed && !(foreignRoutes && !isTable) && !otherActivity ? undefined : `${from} must not import ${to}`
}

/** Files that import each other, type imports included, each as the chain that leads back to its beginning. */
const cyclesIn = (all: readonly Import[]): string[] => {
  const next = new Map<string, string[]>()
  for (const { from, to, isOurs } of all) if (isOurs) next.set(from, [...(next.get(from) ?? []), to])
  const done = new Set<string>()
  const cycles: string[] = []
  const follow = (file: string, chain: string[]): void => {
    const at = chain.indexOf(file)
    if (at >= 0) cycles.push([...chain.slice(at), file].join(' → '))
    if (at >= 0 || done.has(file)) return
    for (const to of next.get(file) ?? []) follow(to, [...chain, file])
    done.add(file)
  }
  for (const file of next.keys()) follow(file, [])
  return cycles
}

describe('imports', () => {
  it('are found at all', () => {
    expect(programFiles.length).toBeGreaterThan(50)
    expect(imports.filter(({ isOurs }) => isOurs).length).toBeGreaterThan(100)
  })

  it('stay inside the table', () => {
    expect(imports.map(faultOf).filter((fault) => fault !== undefined)).toEqual([])
  })

  it('lead back to no file, of tests, scripts and benchmarks neither', () => {
    expect(cyclesIn(ourFiles.filter((path) => /\.(tsx?|mjs)$/.test(path)).flatMap(importsOf))).toEqual([])
  })

  it('that lead back are found, also through types and over several files', () => {
    const found = (pairs: [string, string][]) =>
      cyclesIn(pairs.map(([from, to]) => ({ from, to, isOurs: true, isType: true })))
    expect(
      found([
        ['a', 'b'],
        ['b', 'c'],
        ['a', 'c'],
      ]),
    ).toEqual([])
    expect(
      found([
        ['a', 'b'],
        ['b', 'c'],
        ['c', 'b'],
      ]),
    ).toEqual(['b → c → b'])
    expect(importsOf('src/engine/runs/live-run.ts').map(({ to }) => to)).toContain('engine/leases/run-under-lease.ts')
  })

  it('are limited for rooms that are there alone', () => {
    const files = [...programFiles, ...webFiles].map(withoutSrc)
    expect(importRules.filter(({ of }) => !files.some((file) => fits(of, file)))).toEqual([])
  })

  it.each([
    ['lib/x.ts', 'model/run.ts', true],
    ['http/router.ts', 'store/runs/runs.ts', true],
    ['http/router.ts', 'engine/engine.ts', true],
    ['http/server.ts', 'api/runs/routes.ts', true],
    ['store/runs/runs.ts', 'engine/runs/run.ts', true],
    ['engine/runs/run.ts', 'http/reply.ts', true],
    ['activities/text/text-activities.ts', 'store/files/files.ts', true],
    ['api/runs/contract.ts', 'lib/errors.ts', true],
    ['api/runs/routes.ts', 'api/tasks/routes.ts', true],
    ['api/runs/contract.ts', 'node:fs', false],
    ['model/run.ts', 'pg', false],
    ['engine/engine.ts', 'store/runs/runs.ts', true],
    ['engine/journal/journal.ts', 'engine/leases/leases.ts', true],
    ['engine/leases/leases.ts', 'engine/runs/run.ts', true],
    ['engine/steps/step.ts', 'engine/fan-out/fan-out.ts', true],
    ['engine/start/start.ts', 'engine/make-engine.ts', true],
    ['somewhere/new.ts', 'lib/errors.ts', true],
    ['web/ui/button.tsx', 'web/data/api.ts', true],
    ['web/ui/button.tsx', '@tanstack/react-query', false],
    ['web/text/times.ts', 'react', false],
    ['web/data/api.ts', 'api/contract.ts', true],
    ['web/data/api.ts', 'zod', false],
    ['web/parts/problem.tsx', 'web/pages/runs/page.tsx', true],
    ['web/pages/runs/page.tsx', 'web/pages/sign-in/page.tsx', true],
  ])('the table knows that %s may not import %s, unless it may', (from, to, isOurs) => {
    const allowed = from === 'http/server.ts'
    expect(faultOf({ from, to, isOurs, isType: false }) === undefined).toBe(allowed)
  })

  it('of the pages may take types of contracts, which they may not load', () => {
    const toContract = { from: 'web/pages/runs/page.tsx', to: 'api/contract.ts', isOurs: true }
    expect(faultOf({ ...toContract, isType: true })).toBeUndefined()
    expect(faultOf({ ...toContract, isType: false })).toBeDefined()
    expect(faultOf({ from: 'web/ui/button.tsx', to: 'model/names.ts', isOurs: true, isType: true })).toBeDefined()
  })
})
