// Verifies a Sigstore bundle with a public key, by Sigstore's own verifier, without its services.
//
// node verify.mjs BUNDLE PUBLIC_KEY: prints the statement in the bundle. Ends with 1 if the bundle
// is not signed with the key.
import { createHash, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { assertBundleLatest, bundleFromJSON } from '@sigstore/bundle';
import { Verifier, toSignedEntity, toTrustMaterial } from '@sigstore/verify';

const [bundleFile, keyFile] = process.argv.slice(2);
const bundle = bundleFromJSON(JSON.parse(readFileSync(bundleFile, 'utf8')));
assertBundleLatest(bundle);
const rawBytes = createPublicKey(readFileSync(keyFile)).export({ type: 'spki', format: 'der' });
const hint = createHash('sha256').update(rawBytes).digest('base64');
const root = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] };
const trusted = toTrustMaterial(root, { [hint]: { rawBytes } });
// A signature with a key needs no certificate log, no transparency log and no timestamp.
const none = { ctlogThreshold: 0, tlogThreshold: 0, timestampThreshold: 0 };
new Verifier(trusted, none).verify(toSignedEntity(bundle));
console.log(bundle.content.dsseEnvelope.payload.toString());
