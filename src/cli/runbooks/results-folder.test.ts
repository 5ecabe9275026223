import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openResultsFolder } from './results-folder.ts'

let place: string
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'results-'))
  mkdirSync(join(place, 'results'))
  mkdirSync(join(place, 'elsewhere'))
})
afterEach(() => rmSync(place, { recursive: true }))

const write = (name: string) =>
  openResultsFolder(join(place, 'results'), true).write(name, Readable.from([Buffer.from('new')]))

it('writes over what is there where that is wanted, and through no link that was there before', async () => {
  symlinkSync('../elsewhere', join(place, 'results/sub'))
  symlinkSync('../elsewhere/file', join(place, 'results/file'))
  await expect(write('sub/file')).rejects.toThrow('is a symbolic link')
  await expect(write('sub/deep/file')).rejects.toThrow('is a symbolic link')
  await expect(write('file')).rejects.toThrow('cannot be written')
  expect(readdirSync(join(place, 'elsewhere'))).toEqual([])
  await write('own/file')
  expect(readFileSync(join(place, 'results/own/file'), 'utf8')).toBe('new')
})

it.each(['../file', 'sub/../../file', '', '.', 'a\0b'])('refuses a result that is called %j', async (name) => {
  await expect(write(name)).rejects.toThrow('has a path outside the results folder')
})
