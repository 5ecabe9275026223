import type { Settings } from '../lib/settings/config.ts'
import type { BucketLocation } from '../lib/settings/storage-location.ts'
import { bucketUrl, makeS3Client, type S3Client } from '../store/objects/s3/client.ts'
import { makeCredentialSource } from '../store/objects/s3/credentials/chain.ts'
import { makeOutboundNetwork } from './outbound-network.ts'

/** Local addresses that give credentials to containers and instances, and to nobody else: no step may reach them. */
const credentialHosts = ['169.254.169.254', '169.254.170.2', '169.254.170.23', '[fd00:ec2::23]', '127.0.0.0/8']

export interface BucketOptions {
  settings: Pick<Settings, 'storageAccessKeyId' | 'storageSecretAccessKey'>
  variables: Record<string, string | undefined>
}

/** The host, with its port, that requests to a bucket go to. */
const hostOf = (location: BucketLocation, region: string): string => {
  const { hostname, port, protocol } = new URL(bucketUrl(location, region))
  return `${hostname}:${port || (protocol === 'https:' ? '443' : '80')}`
}

/**
 * Makes the client for a bucket. The operator named its endpoint, so a private address is allowed, but only that one:
 * steps cannot use this client.
 */
export const openBucket = (location: BucketLocation, { settings, variables }: BucketOptions): S3Client => {
  const region = location.region ?? (variables.AWS_REGION || variables.AWS_DEFAULT_REGION || 'us-east-1')
  const timeouts = { connectTimeoutSeconds: 5 }
  const network = makeOutboundNetwork({ allowPrivateNetwork: [hostOf(location, region)], ...timeouts })
  const { fetch } = makeOutboundNetwork({ allowPrivateNetwork: credentialHosts, ...timeouts })
  const credentials = makeCredentialSource({
    accessKeyId: settings.storageAccessKeyId,
    secretAccessKey: settings.storageSecretAccessKey,
    variables,
    region,
    fetch,
  })
  return makeS3Client({ location, region, credentials, open: network.open })
}
