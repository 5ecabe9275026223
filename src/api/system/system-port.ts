/** Facts about the parts of a server that the API shows and cannot read itself. */
export interface SystemPort {
  role: 'all' | 'api' | 'worker'
  /** Maximum steps that this process executes at a time. */
  slots: number
  dataDir: string
  /** Names of the keys that are lent to trials. */
  lentKeys: readonly string[]
  /** Providers that are known by name, with the variables of their keys. */
  providers: readonly { name: string; keys: readonly string[] }[]
  /** Outcomes of this process's calls to providers. */
  health(): readonly ProviderCalls[]
  /** The kind of sandbox in use; `probe` tries it, and is missing where this process executes no runbooks. */
  sandbox: { kind: string; isolates: boolean; probe: (() => Promise<SandboxFindings>) | undefined }
  kinds: readonly { name: string; isolates: boolean; runs_images: boolean }[]
}

export interface ProviderCalls {
  name: string
  calls: number
  failures: number
  lastAnswerMs: number | undefined
  lastFailure: { ms: number; reason: string } | undefined
}

export interface SandboxFindings {
  works: boolean
  found: string
  remedy?: string
  tools: Readonly<Record<string, string | undefined>>
}
