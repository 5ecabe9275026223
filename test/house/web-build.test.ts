import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, it } from 'vitest'
import { builtProgram } from '../shared.ts'

/** What a browser loads before it shows the runs of a task, as gzip. */
const mostFirstRouteBytes = 151_000

interface Chunk {
  file: string
  isEntry?: boolean
  imports?: string[]
  css?: string[]
}

describe('the build of the pages', () => {
  let folder = ''
  let manifest: Record<string, Chunk> = {}
  let scripts: [name: string, text: string][] = []
  beforeAll(async () => {
    folder = join(dirname(await builtProgram()), 'web')
    manifest = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8'))
    const names = (await readdir(join(folder, 'assets'))).filter((name) => name.endsWith('.js'))
    scripts = await Promise.all(
      names.map(async (name) => [name, await readFile(join(folder, 'assets', name), 'utf8')] as [string, string]),
    )
  })

  const loadedWith = (key: string, seen = new Set<string>()): Set<string> => {
    if (seen.has(key)) return seen
    seen.add(key)
    for (const next of manifest[key]?.imports ?? []) loadedWith(next, seen)
    return seen
  }

  it(`loads at most ${mostFirstRouteBytes} bytes of script for the first route`, () => {
    const [entry] = Object.entries(manifest).find(([, { isEntry }]) => isEntry) ?? []
    expect(entry).toBeDefined()
    const files = [...loadedWith(entry ?? '')].map((key) => manifest[key]?.file.replace('assets/', ''))
    const bytes = scripts
      .filter(([name]) => files.includes(name))
      .map(([, text]) => gzipSync(text, { level: 9 }).length)
      .reduce((sum, size) => sum + size, 0)
    expect(bytes).toBeGreaterThan(50_000)
    expect(bytes).toBeLessThanOrEqual(mostFirstRouteBytes)
  })

  it('has no schema in it: requests are made from names, and types are gone', () => {
    expect(scripts.length).toBeGreaterThan(1)
    expect(scripts.filter(([, text]) => /_zod|ZodError/.test(text)).map(([name]) => name)).toEqual([])
  })

  it('makes no code from text', () => {
    expect(scripts.filter(([, text]) => /\beval\(|new Function\(/.test(text)).map(([name]) => name)).toEqual([])
  })

  it('has a page without inline script or style, and all files under names that change with their content', async () => {
    const page = await readFile(join(folder, 'index.html'), 'utf8')
    expect(page).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=/)
    const named = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path)
    expect(named.length).toBeGreaterThan(2)
    for (const path of named) expect(path).toMatch(/^\/assets\/[\w.-]+-[\w-]{8}\.\w+$/)
  })

  it('asks nothing of another host', () => {
    const foreign = scripts.flatMap(([name, text]) =>
      [...text.matchAll(/(?:fetch|import)\(\s*["'`](https?:[^"'`]+)/g)].map(([, url]) => `${name}: ${url}`),
    )
    expect(foreign).toEqual([])
  })
})
