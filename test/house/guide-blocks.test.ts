import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { shellBlocksOf } from '../document-blocks.ts'
import { blocksLeftOut } from '../guides/blocks-left-out.ts'
import { root, textOf } from './source-files.ts'

/** Tests that execute the command blocks of guides, by `follow('<guide>'` or a list of names in `it.each`. */
const testFiles = ['test/guides/guides.test.ts', 'test/wide/guides.test.ts', 'test/wide/served-guides.test.ts']

const namesIn = (text: string): string[] => [...text.matchAll(/'([\w-]+)'/g)].map(([, name = '']) => name)

const executedIn = (file: string): string[] => {
  const text = textOf(file)
  return [...text.matchAll(/\bfollow\(('[\w-]+')|it\.each\(\[([^\]]*)\]/g)].flatMap(([, one, list]) =>
    namesIn(one ?? list ?? ''),
  )
}

/** The tour is executed by the tests of the package and of the image. */
const executed = new Set(['tour', ...testFiles.flatMap(executedIn)])

const blocks = readdirSync(join(root, 'docs'))
  .filter((name) => name.endsWith('.md'))
  .flatMap((name) =>
    shellBlocksOf(textOf(`docs/${name}`)).map((block) => ({ ...block, page: name.slice(0, -'.md'.length) })),
  )
const leftOutBy = ({ page, text }: (typeof blocks)[number]) =>
  blocksLeftOut.filter((one) => one.page === page && text.includes(one.has))
const run = blocks.filter((block) => executed.has(block.page) && leftOutBy(block).length === 0)
const uncovered = blocks.filter((block) => !executed.has(block.page) && leftOutBy(block).length === 0)

describe('command blocks of the guides', () => {
  it(`${run.length} of ${blocks.length} are executed, ${blocksLeftOut.length} are left out with a reason`, () => {
    const hint =
      'Execute the guide in test/guides/guides.test.ts (dear ones in test/wide/guides.test.ts), or add the block with a reason to test/guides/blocks-left-out.ts'
    expect(
      uncovered.map(({ page, line }) => `docs/${page}.md:${line}`),
      hint,
    ).toEqual([])
    expect(run.length + blocksLeftOut.length).toBe(blocks.length)
  })

  it('each that is left out is one block', () => {
    const found = blocksLeftOut.map(({ page, has }) => [
      `${page}: ${has}`,
      blocks.filter((block) => block.page === page && block.text.includes(has)).length,
    ])
    expect(found.filter(([, count]) => count !== 1)).toEqual([])
  })

  it('every guide that a test executes has blocks', () => {
    const pages = new Set(blocks.map(({ page }) => page))
    expect([...executed].filter((page) => !pages.has(page))).toEqual([])
  })
})
