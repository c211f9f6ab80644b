//! Encrypts a connection and notes what the other side shows of itself, trusted or not.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};

use crate::bundled::certificate::not_after;
use crate::timestamp::Timestamp;

use super::{Timed, explain};

/// What a server showed of itself.
#[derive(Clone, Debug, Default)]
pub(in crate::bundled) struct Certificate {
    /// The end of its validity.
    pub(in crate::bundled) not_after: Option<Timestamp>,
    /// Whether what this system trusts says that it is whom it was called.
    pub(in crate::bundled) trusted: bool,
}

/// Encrypts `stream` to the server of that name.
///
/// # Errors
/// One sentence, when the other side does not do its part.
pub(super) fn wrap(
    host: &str,
    mut stream: Timed,
) -> Result<(StreamOwned<ClientConnection, Timed>, Certificate), String> {
    let failed = |why: String| format!("encrypting: {why}");
    let provider = Arc::new(ring::default_provider());
    let notes = Arc::new(Notes::new(provider.clone()));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(notes.clone())
        .with_no_client_auth();
    // An address of version 6 stands in brackets.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(error.to_string()))?;
    let mut connection =
        ClientConnection::new(Arc::new(config), name).map_err(|error| failed(error.to_string()))?;
    while connection.is_handshaking() {
        connection
            .complete_io(&mut stream)
            .map_err(|error| failed(explain(&error)))?;
    }
    let certificate = notes.seen();
    Ok((StreamOwned::new(connection, stream), certificate))
}

/// Lets every certificate pass and notes what the system's own verifier says of it. Signatures must be right: else the
/// other side does not have the key.
#[derive(Debug)]
struct Notes {
    provider: Arc<CryptoProvider>,
    /// None where this system trusts nobody.
    verifier: Option<rustls_platform_verifier::Verifier>,
    seen: Mutex<Certificate>,
}

impl Notes {
    fn new(provider: Arc<CryptoProvider>) -> Self {
        Self {
            verifier: rustls_platform_verifier::Verifier::new(provider.clone()).ok(),
            provider,
            seen: Mutex::default(),
        }
    }

    fn seen(&self) -> Certificate {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl ServerCertVerifier for Notes {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.verifier.as_ref().map(|verifier| {
            verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        });
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Certificate {
            not_after: not_after(end_entity),
            trusted: matches!(verdict, Some(Ok(_))),
        };
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
