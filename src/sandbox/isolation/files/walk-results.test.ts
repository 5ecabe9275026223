import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { removeTree } from '../run-folder.ts'
import { type Walked, type WalkLimits, walkResults } from './walk-results.ts'

const roomy: WalkLimits = { files: 100, bytes: 1024 ** 2 }
const isRoot = process.getuid?.() === 0

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'walk-'))
})
afterEach(() => removeTree(root))

const put = (path: string, text = path): string => {
  const full = join(root, path)
  mkdirSync(dirname(full), { recursive: true })
  writeFileSync(full, text)
  return full
}

const walk = async (limits: WalkLimits = roomy, folder = root) => {
  const all: Walked[] = []
  for await (const walked of walkResults(folder, limits)) all.push(walked)
  return {
    files: all.flatMap((one) => (one.kind === 'file' ? [one] : [])),
    paths: all.flatMap((one) => (one.kind === 'file' ? [one.path] : [])),
    skipped: Object.fromEntries(all.flatMap((one) => (one.kind === 'skipped' ? [[one.path, one.reason]] : []))),
    more: all.flatMap((one) => (one.kind === 'more' ? [one.message] : [])),
  }
}

const textOf = async (file: { open(): AsyncIterable<Uint8Array> } | undefined): Promise<string> => {
  const chunks: Uint8Array[] = []
  for await (const chunk of file?.open() ?? []) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

test('takes every regular file with its bytes, level by level, in the order of the names', async () => {
  for (const path of ['b.txt', 'a/z.txt', 'a/deep/x.txt', 'c.md', 'Zürich/東京.txt', '.hidden']) put(path)
  put('empty', '')
  mkdirSync(join(root, 'nothing'))
  const { files, paths, skipped, more } = await walk()
  expect(paths).toEqual(
    ['.hidden', 'b.txt', 'c.md', 'empty', 'Zürich/東京.txt', 'a/z.txt', 'a/deep/x.txt'].sort(byLevel),
  )
  for (const file of files) expect(await textOf(file)).toBe(file.path === 'empty' ? '' : file.path)
  expect(files.map((file) => file.size)).toEqual(paths.map((path) => (path === 'empty' ? 0 : Buffer.byteLength(path))))
  expect({ skipped, more }).toEqual({ skipped: {}, more: [] })
})

const byLevel = (one: string, other: string): number =>
  one.split('/').length - other.split('/').length || Buffer.compare(Buffer.from(one), Buffer.from(other))

test('a file larger than one read comes whole', async () => {
  const text = 'jetty '.repeat(200_000)
  put('large.txt', text)
  const { files } = await walk({ files: 1, bytes: 1024 ** 3 })
  expect((await textOf(files[0])) === text).toBe(true)
})

test('symbolic links lead nowhere: to a file, to a folder, to nothing, in a circle', async () => {
  const outside = mkdtempSync(join(tmpdir(), 'outside-'))
  writeFileSync(join(outside, 'secret'), 'secret')
  symlinkSync('/etc/shadow', join(root, 'shadow'))
  symlinkSync(outside, join(root, 'folder'))
  symlinkSync('nowhere', join(root, 'dangling'))
  symlinkSync('.', join(root, 'circle'))
  put('real.txt')
  const { paths, skipped } = await walk({ ...roomy, first: ['folder/secret', 'shadow', 'circle/circle/real.txt'] })
  expect(paths).toEqual(['real.txt'])
  expect(skipped).toEqual({ shadow: 'symlink', folder: 'symlink', dangling: 'symlink', circle: 'symlink' })
  rmSync(outside, { recursive: true })
})

test('the folder itself exchanged for a link, a file, or gone: nothing is kept, and that is said', async () => {
  const link = join(root, 'link')
  symlinkSync('/etc', link)
  for (const folder of [link, put('file'), join(root, 'gone')]) {
    const { paths, more } = await walk(roomy, folder)
    expect(paths).toEqual([])
    expect(more).toEqual([expect.stringContaining('nothing of it is kept')])
  }
})

test('a folder exchanged for a link after it was looked at gives nothing away', async () => {
  put('a/hostname', 'mine')
  const { files } = await walk()
  rmSync(join(root, 'a'), { recursive: true })
  symlinkSync('/etc', join(root, 'a'))
  await expect(textOf(files[0])).rejects.toThrow()
})

test('a file exchanged for another one after it was looked at gives nothing away', async () => {
  const path = put('a', 'mine')
  const { files } = await walk()
  rmSync(path)
  linkSync(put('other', 'else'), path)
  await expect(textOf(files[0])).rejects.toThrow('changed')
  writeFileSync(path, 'longer than it was')
  await expect(textOf(files[0])).rejects.toThrow('changed')
  rmSync(path)
  execFileSync('mkfifo', [path])
  await expect(textOf(files[0])).rejects.toThrow('changed') // and does not wait for a writer
})

test('a file that is written to while it is read is not what was found', async () => {
  const path = put('a', 'x'.repeat(600_000))
  const { files } = await walk()
  const reading = (files[0] as { open(): AsyncIterable<Uint8Array> }).open()[Symbol.asyncIterator]()
  await reading.next()
  const before = statSync(path, { bigint: true }).ctimeNs
  while (statSync(path, { bigint: true }).ctimeNs === before) writeFileSync(path, 'y'.repeat(600_000)) // clocks are coarse
  const rest = async () => {
    while (!(await reading.next()).done);
  }
  await expect(rest()).rejects.toThrow('changed')
})

test('named pipes, sockets and devices are neither opened nor kept', async () => {
  execFileSync('mkfifo', [join(root, 'pipe')])
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(join(root, 'sock'), resolve))
  put('real.txt')
  const { paths, skipped } = await walk()
  await new Promise((resolve) => server.close(resolve))
  expect(paths).toEqual(['real.txt'])
  expect(skipped).toEqual({ pipe: 'fifo', sock: 'socket' })

  const devices = await walk({ files: 10, bytes: 10, first: ['null', 'zero'] }, '/dev')
  expect(devices.paths).not.toContain('zero')
  expect(Object.values(devices.skipped)).toContain('device')
})

test('a program that would run as somebody else is not kept', async () => {
  chmodSync(put('root-shell'), 0o4755)
  chmodSync(put('group-shell'), 0o2755)
  chmodSync(put('script.sh'), 0o755)
  const { paths, skipped } = await walk()
  expect(paths).toEqual(['script.sh'])
  expect(skipped).toEqual({ 'group-shell': 'setuid', 'root-shell': 'setuid' })
})

test('a hole counts as what it looks like', async () => {
  truncateSync(put('huge'), 5 * 1024 ** 4)
  put('small.txt')
  const { paths, skipped } = await walk()
  expect(paths).toEqual(['small.txt'])
  expect(skipped).toEqual({ huge: 'large' })
})

test('hard links are files like any other', async () => {
  linkSync(put('one', 'same'), join(root, 'two'))
  const { files, paths } = await walk()
  expect(paths).toEqual(['one', 'two'])
  expect(await Promise.all(files.map(textOf))).toEqual(['same', 'same'])
})

test('what nobody may read is read where we are root, else named', async () => {
  chmodSync(put('locked.txt', 'text'), 0)
  put('closed/inside.txt')
  chmodSync(join(root, 'closed'), 0)
  const { files, paths, skipped } = await walk()
  chmodSync(join(root, 'closed'), 0o700)
  if (isRoot) {
    expect(paths).toEqual(['locked.txt', 'closed/inside.txt'])
    expect(await textOf(files[0])).toBe('text')
  } else
    expect({ paths, skipped }).toEqual({ paths: [], skipped: { 'locked.txt': 'unreadable', closed: 'unreadable' } })
})

test.runIf(isRoot)('another user is told what it may not read, and the rest is kept', () => {
  chmodSync(put('locked.txt'), 0)
  put('closed/inside.txt')
  chmodSync(join(root, 'closed'), 0)
  put('listed/inside.txt')
  chmodSync(join(root, 'listed'), 0o644)
  put('open.txt')
  chmodSync(root, 0o755)
  const program = `
    const { walkResults } = await import(${JSON.stringify(new URL('./walk-results.ts', import.meta.url).href)})
    const told = {}
    process.setgid(65534)
    process.setuid(65534)
    for await (const one of walkResults(process.argv[1], { files: 9, bytes: 9999 })) told[one.path] = one.reason ?? 'kept'
    console.log(JSON.stringify(told))`
  const argv = ['--import', 'tsx', '--input-type=module', '-e', program, root]
  expect(JSON.parse(execFileSync(process.execPath, argv, { encoding: 'utf8' }))).toEqual({
    'locked.txt': 'unreadable',
    closed: 'unreadable',
    listed: 'unreadable',
    'open.txt': 'kept',
  })
})

test('what was declared comes first, whatever else is there', async () => {
  for (let count = 0; count < 20; count += 1) put(`${count}.junk`)
  put('reports/deep/final.md')
  put('data.csv')
  const first = [
    './reports//deep/final.md',
    'data.csv',
    '../../etc/passwd',
    '/etc/passwd',
    '',
    'missing.txt',
    'reports',
  ]
  const { paths, more, skipped } = await walk({ files: 3, bytes: 10_000, first })
  expect(paths).toEqual(['reports/deep/final.md', 'data.csv', '0.junk'])
  expect(Object.values(skipped)).toEqual(new Array(19).fill('total'))
  expect(more).toEqual([])
})

test('what is too much in number, in bytes or as one is named, and smaller ones are still kept', async () => {
  put('a', 'x'.repeat(60))
  put('b', 'x'.repeat(60))
  put('c', 'x'.repeat(30))
  put('d', 'x'.repeat(101))
  put('e', '')
  const { paths, skipped } = await walk({ files: 9, bytes: 100 })
  expect(paths).toEqual(['a', 'c', 'e'])
  expect(skipped).toEqual({ b: 'total', d: 'large' })
  expect((await walk({ files: 9, bytes: 1000, fileBytes: 50 })).paths).toEqual(['c', 'e'])
})

test('of many things that are left out fifty are named, and the others counted', async () => {
  for (let count = 0; count < 120; count += 1) symlinkSync('x', join(root, `link-${count}`))
  const { skipped, more } = await walk()
  expect(Object.keys(skipped)).toHaveLength(50)
  expect(more).toEqual(['70 more not kept: a symbolic link'])
})

test('folders in folders in folders end somewhere, far beyond what a path may have', async () => {
  execFileSync('sh', [
    '-c',
    `cd "$1"; for i in $(seq 40); do d=$(printf 'd%.0s' $(seq 200)); mkdir $d; cd -P $d; echo $i > f; done`,
    'sh',
    root,
  ])
  const { paths, skipped } = await walk()
  expect(paths).toHaveLength(14) // of 3,000 bytes
  expect(Object.values(skipped).sort()).toEqual(['deep', ...Array<string>(18).fill('long')])
})

test('a folder with far too many files gives the same ones each time, in the order of their names', async () => {
  const many = join(root, 'many')
  mkdirSync(many)
  writeFileSync(join(root, 'summary.md'), 'done')
  for (let count = 0; count < 5_000; count += 1) linkSync(join(root, 'summary.md'), join(many, `${count}`))
  const limits = { files: 50, bytes: 1000, entries: 100 }
  const { paths, more } = await walk(limits)
  expect(paths).toHaveLength(50)
  expect(paths.slice(0, 4)).toEqual(['summary.md', 'many/0', 'many/1', 'many/10'])
  expect(more).toContainEqual(expect.stringContaining('more than 100 files and folders'))
  expect((await walk(limits)).paths).toEqual(paths)
})

test('names that cannot be shown are made so, and told apart', async () => {
  const raw = [Buffer.from('a\x1b[31m\n.txt'), Buffer.from('a[31m.txt'), Buffer.from([0x66, 0xff, 0x2e, 0x62])]
  for (const name of raw) writeFileSync(Buffer.concat([Buffer.from(`${root}/`), name]), name)
  put('x\u202efdp.exe')
  const { files, paths } = await walk()
  expect(paths.sort()).toEqual(['a[31m-1.txt', 'a[31m.txt', 'f\ufffd.b', 'xfdp.exe'])
  for (const file of files) expect((await textOf(file)).length).toBeGreaterThan(0)
})

test('names that are the longest there are, and the same once they can be shown, are told apart within that length', async () => {
  for (const byte of [0xfd, 0xfe, 0xff]) {
    for (const end of ['', '.txt']) {
      const name = Buffer.concat([Buffer.from(`${root}/`), Buffer.alloc(255 - end.length, byte), Buffer.from(end)])
      writeFileSync(name, name)
      if (end === '') continue
      const folder = Buffer.concat([Buffer.from(`${root}/`), Buffer.alloc(250, byte), Buffer.from('s')])
      mkdirSync(folder)
      writeFileSync(Buffer.concat([folder, Buffer.from('/f')]), folder)
    }
  }
  put(`${'\ufffd'.repeat(83)}s-1`) // as a folder will be called
  const { paths } = await walk()
  expect(new Set(paths).size).toBe(10)
  for (const segment of paths.flatMap((path) => path.split('/'))) {
    expect(Buffer.byteLength(segment)).toBeLessThanOrEqual(255)
  }
  expect(paths.filter((path) => path.endsWith('.txt'))).toHaveLength(3)
})

test('whatever the names are: each file comes once, under a path of its own that can be kept', async () => {
  const name = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes))
  await fc.assert(
    fc.asyncProperty(fc.array(name, { maxLength: 12 }), async (names) => {
      const folder = mkdtempSync(join(root, 'any-'))
      const written = new Set<string>()
      for (const bytes of names) {
        const isName = !bytes.includes(0) && !bytes.includes(0x2f) && !/^\.{1,2}$/.test(bytes.toString('latin1'))
        if (!isName) continue
        writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), bytes]), bytes)
        written.add(bytes.toString('latin1'))
      }
      const { files, paths } = await walk(roomy, folder)
      expect(new Set(paths).size).toBe(written.size)
      for (const path of paths) expect(path).not.toMatch(/[\p{Cc}\p{Cs}/]/u)
      const texts = await Promise.all(files.map(async (file) => Buffer.concat(await chunksOf(file)).toString('latin1')))
      expect(new Set(texts)).toEqual(written)
    }),
    { numRuns: 40 },
  )
})

const chunksOf = async (file: { open(): AsyncIterable<Uint8Array> }): Promise<Uint8Array[]> => {
  const chunks: Uint8Array[] = []
  for await (const chunk of file.open()) chunks.push(chunk)
  return chunks
}

test('nothing stays open', async () => {
  put('a/b/c.txt')
  const openNow = () => readFileSync('/proc/self/status') && execFileSync('ls', [`/proc/${process.pid}/fd`]).toString()
  await walk()
  const before = openNow().split('\n').length
  for (let count = 0; count < 20; count += 1) for (const file of (await walk()).files) await textOf(file)
  expect(openNow().split('\n').length).toBeLessThan(before + 20) // of each walk one at the least
})

test('whoever asks for the walk can end it', async () => {
  put('a')
  const walking = walkResults(root, roomy, AbortSignal.abort(new Error('enough')))
  await expect(walking.next()).rejects.toThrow('enough')
})

test('no file is given the name of a folder, once both can be shown: they can be put down side by side', async () => {
  for (const path of ['a\u0001', 'a\u0002/one', 'a\u0003/two', 'b\u0001/deep/x', 'b\u0002/deep', 'b', 'a-1']) put(path)
  for (const limits of [roomy, { ...roomy, first: ['b\u0001/deep/x'] }]) {
    const { files, paths } = await walk(limits)
    expect(new Set(paths).size).toBe(7)
    const folders = paths.flatMap((path) => [...path.matchAll(/\//g)].map((slash) => path.slice(0, slash.index)))
    expect(paths.filter((path) => folders.includes(path))).toEqual([])
    expect((await Promise.all(files.map(textOf))).sort()).toEqual(
      ['a\u0001', 'a\u0002/one', 'a\u0003/two', 'b\u0001/deep/x', 'b\u0002/deep', 'b', 'a-1'].sort(),
    )
  }
})
