// Sweeps a bucket for orphans until it is killed, of which now everything and now nothing has a name.
import { openS3 } from '../../objects/open-s3.ts'

const main = async (): Promise<never> => {
  const [location = '', accessKeyId = '', secretAccessKey = '', ...parts] = process.argv.slice(2)
  const { store } = openS3({ location, accessKeyId, secretAccessKey })
  console.log('sweeping')
  for (let round = 0; ; round++) {
    const named = round % 2 === 0 ? async () => new Set<string>() : async (ids: string[]) => new Set(ids)
    for (const part of parts) await store.sweepUnnamed({ part: Number(part), days: 30, named })
  }
}

void main()
