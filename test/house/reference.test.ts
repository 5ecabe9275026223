import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { referencePages } from '../../scripts/docs.ts'
import { root, textOf } from './source-files.ts'

describe('a generated page', () => {
  it.each(Object.entries(referencePages()))('%s is what `npm run docs` writes', (path, text) => {
    expect(existsSync(join(root, path)) ? textOf(path) : '').toBe(text)
  })
})
