import { crc32, deflateSync, inflateSync } from 'node:zlib'

/** A picture as rows of red, green, blue. */
export interface Picture {
  width: number
  height: number
  /** Three bytes a pixel. */
  pixels: Buffer
}

interface Frame {
  picture: Picture
  /** How long it is shown. */
  ms: number
}

interface Chunk {
  type: string
  data: Buffer
}

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])

const chunksOf = (png: Buffer): Chunk[] => {
  const chunks: Chunk[] = []
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at)
    chunks.push({ type: png.toString('latin1', at + 4, at + 8), data: png.subarray(at + 8, at + 8 + length) })
    at += length + 12
  }
  return chunks
}

const paeth = (left: number, up: number, corner: number): number => {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)]
  return a <= b && a <= c ? left : b <= c ? up : corner
}

/** Reads a PNG of eight bits a channel without interlacing, as browsers write screenshots; drops its alpha. */
export const readPng = (png: Buffer): Picture => {
  const chunks = chunksOf(png)
  const head = chunks.find(({ type }) => type === 'IHDR')!.data
  const [width, height, channels] = [head.readUInt32BE(0), head.readUInt32BE(4), head[9] === 6 ? 4 : 3]
  const raw = inflateSync(Buffer.concat(chunks.filter(({ type }) => type === 'IDAT').map(({ data }) => data)))
  const stride = width * channels
  const pixels = Buffer.alloc(width * height * 3)
  let above = Buffer.alloc(stride)
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)]
    const row = raw.subarray(y * (stride + 1) + 1, (y + 1) * (stride + 1))
    for (let x = 0; x < stride; x++) {
      const left = x < channels ? 0 : row[x - channels]!
      const up = above[x]!
      const corner = x < channels ? 0 : above[x - channels]!
      const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter ?? 0] ?? 0
      row[x] = (row[x]! + guess) & 0xff
    }
    for (let x = 0; x < width; x++) row.copy(pixels, (y * width + x) * 3, x * channels, x * channels + 3)
    above = Buffer.from(row)
  }
  return { width, height, pixels }
}

const colourAt = (pixels: Buffer, at: number): number => pixels.readUIntBE(at * 3, 3)

const distance = (one: number, other: number): number =>
  [16, 8, 0].reduce((sum, shift) => sum + (((one >> shift) & 255) - ((other >> shift) & 255)) ** 2, 0)

const countColours = (frames: readonly Frame[]): [colour: number, count: number][] => {
  const counts = new Map<number, number>()
  for (const { picture } of frames) {
    for (let at = 0; at < picture.width * picture.height; at++) {
      const colour = colourAt(picture.pixels, at)
      counts.set(colour, (counts.get(colour) ?? 0) + 1)
    }
  }
  return [...counts].sort((one, other) => other[1] - one[1])
}

const paletteSize = 256

/** Chooses 256 colours: each time the one whose pixels would be furthest from what is chosen already. */
const chooseColours = (counted: readonly [colour: number, count: number][]): number[] => {
  const chosen: number[] = []
  const far = counted.map(() => Number.POSITIVE_INFINITY)
  let next = 0
  while (chosen.length < Math.min(paletteSize, counted.length)) {
    const colour = counted[next]![0]
    chosen.push(colour)
    let most = -1
    for (const [at, [other, count]] of counted.entries()) {
      far[at] = Math.min(far[at]!, distance(colour, other))
      if (far[at]! * count <= most) continue
      most = far[at]! * count
      next = at
    }
  }
  return chosen
}

/** A palette, and the nearest of its colours for each colour. */
const makePalette = (frames: readonly Frame[]): { colours: number[]; indexOf: (colour: number) => number } => {
  const colours = chooseColours(countColours(frames))
  const known = new Map(colours.map((colour, index) => [colour, index]))
  const nearest = (colour: number) =>
    colours.reduce((best, one, index) => (distance(one, colour) < distance(colours[best]!, colour) ? index : best), 0)
  const indexOf = (colour: number): number => {
    const found = known.get(colour) ?? nearest(colour)
    known.set(colour, found)
    return found
  }
  return { colours, indexOf }
}

interface Box {
  left: number
  top: number
  width: number
  height: number
}

/** The box in which two pictures differ; undefined where they are the same. */
const changedBox = (before: Buffer, after: Buffer, width: number, height: number): Box | undefined => {
  let [left, top, right, bottom] = [width, height, -1, -1]
  for (let y = 0; y < height; y++) {
    const [start, end] = [y * width, (y + 1) * width]
    if (before.subarray(start, end).equals(after.subarray(start, end))) continue
    top = Math.min(top, y)
    bottom = y
    for (let x = 0; x < width; x++) {
      if (before[start + x] === after[start + x]) continue
      left = Math.min(left, x)
      right = Math.max(right, x)
    }
  }
  return bottom < 0 ? undefined : { left, top, width: right - left + 1, height: bottom - top + 1 }
}

const chunk = (type: string, data: Buffer): Buffer => {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(data.length)
  sum.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, sum])
}

const words = (...numbers: number[]): Buffer => {
  const bytes = Buffer.alloc(numbers.length * 4)
  for (const [at, number] of numbers.entries()) bytes.writeUInt32BE(number, at * 4)
  return bytes
}

const cut = (indexed: Buffer, width: number, box: Box): Buffer => {
  const rows: Buffer[] = []
  for (let y = box.top; y < box.top + box.height; y++) {
    rows.push(Buffer.from([0]), indexed.subarray(y * width + box.left, y * width + box.left + box.width))
  }
  return deflateSync(Buffer.concat(rows), { level: 9 })
}

interface IndexedFrame {
  box: Box
  data: Buffer
  ms: number
}

/** Frames as boxes of what changes; a picture like the one before only makes that one longer. */
const indexedFrames = (frames: readonly Frame[], indexOf: (colour: number) => number): IndexedFrame[] => {
  const made: IndexedFrame[] = []
  let before: Buffer | undefined
  for (const { picture, ms } of frames) {
    const { width, height, pixels } = picture
    const indexed = Buffer.alloc(width * height)
    for (let at = 0; at < indexed.length; at++) indexed[at] = indexOf(colourAt(pixels, at))
    const box = before ? changedBox(before, indexed, width, height) : { left: 0, top: 0, width, height }
    before = indexed
    if (box) made.push({ box, data: cut(indexed, width, box), ms })
    else made.at(-1)!.ms += ms
  }
  return made
}

/** Writes pictures of one size as an animated PNG of 256 colours that repeats for ever. */
export const writeAnimatedPng = (frames: readonly Frame[]): Buffer => {
  const { width, height } = frames[0]!.picture
  const { colours, indexOf } = makePalette(frames)
  const shown = indexedFrames(frames, indexOf)
  let sequence = 0
  const body = shown.flatMap(({ box, data, ms }, at) => {
    const control = Buffer.alloc(26)
    words(sequence++, box.width, box.height, box.left, box.top).copy(control)
    control.writeUInt16BE(Math.min(65_535, Math.round(ms)), 20)
    control.writeUInt16BE(1_000, 22)
    return [
      chunk('fcTL', control),
      at === 0 ? chunk('IDAT', data) : chunk('fdAT', Buffer.concat([words(sequence++), data])),
    ]
  })
  return Buffer.concat([
    signature,
    chunk('IHDR', Buffer.concat([words(width, height), Buffer.from([8, 3, 0, 0, 0])])),
    chunk('acTL', words(shown.length, 0)),
    chunk(
      'PLTE',
      Buffer.concat(colours.map((colour) => Buffer.from([colour >> 16, (colour >> 8) & 255, colour & 255]))),
    ),
    ...body,
    chunk('IEND', Buffer.alloc(0)),
  ])
}
