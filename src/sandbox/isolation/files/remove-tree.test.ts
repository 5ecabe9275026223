import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { removeTree } from './remove-tree.ts'

test('removes what paths are too short for, what is closed, and nothing that a link leads to', async () => {
  const outside = mkdtempSync(join(tmpdir(), 'outside-'))
  writeFileSync(join(outside, 'kept'), 'kept')
  chmodSync(join(outside, 'kept'), 0o400)
  const folder = mkdtempSync(join(tmpdir(), 'tree-'))
  const deep = 'cd "$1"; for i in $(seq 40); do d=$(printf "d%.0s" $(seq 200)); mkdir $d; cd -P $d; done; touch f'
  execFileSync('sh', ['-c', deep, 'sh', folder])
  symlinkSync(outside, join(folder, 'link'))
  mkdirSync(join(folder, 'closed'))
  writeFileSync(join(folder, 'closed', 'file'), '')
  chmodSync(join(folder, 'closed'), 0)
  await removeTree(folder)
  expect(existsSync(folder)).toBe(false)
  expect(readFileSync(join(outside, 'kept'), 'utf8')).toBe('kept')
  rmSync(outside, { recursive: true })
  await removeTree(folder) // gone already
})
