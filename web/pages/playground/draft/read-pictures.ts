import { type Picture, pictureFault } from './pictures.ts'

/** Reads a file into a `data:` address. */
export const dataAddress = (blob: Blob): Promise<string> =>
  new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.onload = () => resolve(String(reader.result))
    reader.onerror = () => reject(reader.error ?? new Error('The file cannot be read'))
    reader.readAsDataURL(blob)
  })

/** Reads files as pictures, and says why some of them are none. */
export const readPictures = async (files: readonly File[]): Promise<{ pictures: Picture[]; faults: string[] }> => {
  const faults = files.flatMap((file) => {
    const fault = pictureFault(file)
    return fault === undefined ? [] : [`${file.name}: ${fault}`]
  })
  const good = files.filter((file) => pictureFault(file) === undefined)
  const pictures = await Promise.all(
    good.map(async (file) => ({ name: file.name || 'image', url: await dataAddress(file) })),
  )
  return { pictures, faults }
}
